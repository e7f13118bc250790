import io
import os
import tarfile
import unicodedata

import pytest

from parley.core.errors import ParleyError
from parley.dataset.fetch.images import LocalFiles
from parley.dataset.fetch.outcomes import ErrorClass


@pytest.fixture
def root(tmp_path):
    inside = tmp_path / "root"
    (inside / "lion").mkdir(parents=True)
    (inside / "lion" / "a.jpg").write_bytes(b"lion a")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (inside / "lion" / "escape.jpg").symlink_to(tmp_path / "secret.jpg")
    (inside / "lion" / "alias.jpg").symlink_to(inside / "lion" / "a.jpg")
    with tarfile.open(inside / "n01.tar", "w") as tar:
        for name, body in [("x/one.jpg", b"one" * 500), ("two!.jpg", b"two")]:
            header = tarfile.TarInfo(name)
            header.size = len(body)
            tar.addfile(header, io.BytesIO(body))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    (inside / "broken.tar").write_bytes(b"no tar at all" * 100)
    return inside


def test_files_and_members_are_read(root):
    files = LocalFiles(root, 10_000)
    assert files.get("lion/a.jpg").body == b"lion a"
    assert files.get("lion/alias.jpg").body == b"lion a"
    assert files.get("n01.tar!x/one.jpg").body == b"one" * 500
    assert files.get("n01.tar!two!.jpg").body == b"two"


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ("lion/none.jpg", ErrorClass.MISSING),
        ("lion/a.jpg/b.jpg", ErrorClass.MISSING),
        ("none.tar!a.jpg", ErrorClass.MISSING),
        ("n01.tar!none.jpg", ErrorClass.MISSING),
        ("n01.tar!link.jpg", ErrorClass.MISSING),
        ("../secret.jpg", ErrorClass.OUTSIDE_ROOT),
        ("lion/../../secret.jpg", ErrorClass.OUTSIDE_ROOT),
        ("lion/escape.jpg", ErrorClass.OUTSIDE_ROOT),
        ("/etc/hostname", ErrorClass.OUTSIDE_ROOT),
        ("../other.tar!a.jpg", ErrorClass.OUTSIDE_ROOT),
        ("lion", ErrorClass.UNREADABLE),
        ("broken.tar!a.jpg", ErrorClass.UNREADABLE),
    ],
)
def test_unreadable_entries_have_an_error_class(root, entry, error):
    answer = LocalFiles(root, 10_000).get(entry)
    assert (answer.error, answer.body) == (error, None)


@pytest.mark.parametrize("entry", ["pipe", "pipe.tar!a.jpg"])
def test_a_pipe_is_not_waited_for(root, entry):
    os.mkfifo(root / entry.partition("!")[0])
    assert LocalFiles(root, 10_000).get(entry).error is ErrorClass.UNREADABLE


@pytest.mark.parametrize(
    ("links", "entry"),
    [
        ({"a.jpg": "nowhere"}, "a.jpg"),
        ({"a.jpg": "a.jpg"}, "a.jpg"),
        ({"a.jpg": "b.jpg", "b.jpg": "a.jpg"}, "a.jpg"),
        ({"a": "a"}, "a/b.jpg"),
        ({"a": "nowhere"}, "a/b.jpg"),
        ({"a.tar": "a.tar"}, "a.tar!b.jpg"),
        ({"a.zip": "nowhere"}, "a.zip!b.jpg"),
    ],
)
def test_broken_and_circular_links_are_missing(root, links, entry):
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert LocalFiles(root, 10_000).get(entry).error is ErrorClass.MISSING


@pytest.mark.parametrize("entry", ["b\u00e4r/1.jpg", "b\u00e4r.tar!b\u00e4r.jpg", "\u00e9\u304c.jpg"])
@pytest.mark.parametrize(("on_disk", "listed"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_a_name_is_the_same_composed_and_decomposed(root, entry, on_disk, listed):
    name, _, member = unicodedata.normalize(on_disk, entry).partition("!")
    path = root / name
    path.parent.mkdir(exist_ok=True)
    if member:
        with tarfile.open(path, "w") as tar:
            info = tarfile.TarInfo(member)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"one"))
    else:
        path.write_bytes(b"one")
    address = unicodedata.normalize(listed, entry)
    answer = LocalFiles(root, 100_000).get(address)
    assert (answer.body, answer.url) == (b"one", address)


def test_max_bytes_applies_to_files_and_members(root):
    files = LocalFiles(root, 5)
    assert files.get("lion/a.jpg").error is ErrorClass.TOO_LARGE
    assert files.get("n01.tar!x/one.jpg").error is ErrorClass.TOO_LARGE
    assert files.get("n01.tar!two!.jpg").body == b"two"


def test_a_root_reached_through_a_link_is_the_root(root, tmp_path):
    (tmp_path / "way").symlink_to(root)
    assert LocalFiles(tmp_path / "way", 100).get("lion/a.jpg").body == b"lion a"


def test_archive_is_provided_once_or_raises(root):
    def fail(name):
        raise ParleyError(f"No location gave {name}.")

    with pytest.raises(ParleyError, match=r"No location gave n01.tar"):
        LocalFiles(root, 10_000, fail).get("n01.tar!two!.jpg")
    asked = []
    files = LocalFiles(root, 10_000, asked.append)
    assert files.get("n01.tar!two!.jpg").body == b"two"
    assert files.get("n01.tar!none.jpg").error is ErrorClass.MISSING
    assert files.get("lion/a.jpg").body == b"lion a"
    assert asked == ["n01.tar"]


def test_a_tar_is_read_to_the_end_after_its_file_is_removed(root):
    files = LocalFiles(root, 10_000)
    assert files.get("n01.tar!two!.jpg").body == b"two"
    (root / "n01.tar").unlink()
    assert files.get("n01.tar!x/one.jpg").body == b"one" * 500
