import bz2
import gzip
import io
import lzma
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.core.errors import ParleyError
from parley.dataset.sources.url_list_reader import text_chunks

TEXT = b"".join(b"n%08d_%d\thttp://example.org/%d.jpg\n" % (n % 97, n, n * n) for n in range(60_000))


def tar_of(members, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, body in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(body)
            tar.addfile(header, io.BytesIO(body))
    return out.getvalue()


def read(path):
    return b"".join(text_chunks(path))


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("plain.tgz", TEXT, TEXT),
        ("gzip.txt", gzip.compress(TEXT, mtime=0), TEXT),
        ("tar.txt", tar_of({"urls.txt": TEXT}), TEXT),
        ("tgz", gzip.compress(tar_of({"./._urls.txt": b"mac", "./urls.txt": TEXT}), mtime=0), TEXT),
        ("three", tar_of({"a.txt": b"one", "b/c.txt": b"two\n", "d": b""}, "w:gz"), b"one\ntwo\n"),
        ("gzip members", gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:], mtime=0), TEXT),
        ("padded", gzip.compress(TEXT, mtime=0) + bytes(1000), TEXT),
        ("empty", b"", b""),
        ("empty gzip", gzip.compress(b"", mtime=0), b""),
        ("short", b"n1\tu", b"n1\tu"),
    ],
)
def test_the_format_is_detected_from_the_bytes(tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path / name) == text


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=5))
def test_gzip_members_of_any_size_are_joined(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("gzip") / "list"
    path.write_bytes(b"".join(gzip.compress(part) for part in parts))
    text = b"".join(parts)
    if not text[257:].startswith(b"ustar"):
        assert read(path) == text


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("whole", [gzip.compress(TEXT, mtime=0), tar_of({"urls.txt": TEXT}, "w:gz")])
def test_a_truncated_archive_is_reported(tmp_path, whole, share):
    (tmp_path / "list.tgz").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ParleyError, match=r"list.tgz is a truncated or corrupt archive"):
        read(tmp_path / "list.tgz")


def test_a_truncated_tar_is_reported(tmp_path):
    (tmp_path / "list.tar").write_bytes(tar_of({"urls.txt": TEXT})[: len(TEXT) // 2])
    with pytest.raises(ParleyError, match="truncated or corrupt"):
        read(tmp_path / "list.tar")


def test_a_corrupt_archive_is_reported(tmp_path):
    whole = bytearray(gzip.compress(TEXT))
    whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "list.gz").write_bytes(bytes(whole))
    with pytest.raises(ParleyError, match="truncated or corrupt"):
        read(tmp_path / "list.gz")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04" + bytes(100), "is a ZIP archive, not a URL list; unpack it"),
        (bz2.compress(TEXT), "is compressed, not a URL list; decompress it"),
        (lzma.compress(TEXT, preset=0), "is compressed, not a URL list; decompress it"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "is a 7z archive, not a URL list; unpack it"),
    ],
)
def test_other_archives_are_refused_by_name(tmp_path, content, told):
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(ParleyError, match=told):
        read(tmp_path / "list")


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(ParleyError, match="does not exist"):
        read(tmp_path / "none")
