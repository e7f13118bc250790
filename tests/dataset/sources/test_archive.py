"""The source `archive`: zips and tars as others make them, read in place."""

import gzip
import io
import lzma
import re
import stat
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from parley.config.options import source_options
from parley.core.errors import ParleyError
from parley.dataset import downloads
from parley.dataset.class_set import ImageClass
from parley.dataset.fetch.images import LocalFiles
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.sources import SourceOptions, open_source

LION = ImageClass("lion", "n02129165", "in")
HEN = ImageClass("hen", "", "in", description="a hen")
WHALE = ImageClass("killer whale", "", "in", description="a whale")
BEAR = ImageClass("b\u00e4r", "", "in", description="a bear")
IMAGES = {
    "set/train/n02129165/images/a.JPEG": b"lion a",
    "set/train/n02129165/images/b.png": b"lion b" * 99,
    "set/train/n02129165/boxes.txt": b"1 2 3 4",
    "set/train/n02129165/images/deep/c.JPEG": b"too deep",
    "set/val/n02129165/d.JPEG": b"lion d",
    "set/train/n01514859/images/e.JPEG": b"a hen",
    "__MACOSX/set/val/n02129165/._d.JPEG": b"mac",
    "set/val/n02129165/._d.JPEG": b"mac",
}
TEMPLATES = ("set/train/{wnid}/images/*", "set/val/{wnid}/*")


def make_zip(path, members=IMAGES, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("set")
        for name, body in members.items():
            archive.writestr(name, body)
    return path


def make_tar(path, members=IMAGES, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, body in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(body)
            tar.addfile(header, io.BytesIO(body))
    return path


def source_of(path, templates=TEMPLATES, **options):
    return open_source(
        SourceOptions("archive", locations=(str(path),), members=templates, store=path.parent / "store", **options)
    )


def addresses(source, classes, tmp_path):
    source.write_listing(classes, tmp_path / "list.tsv")
    return source.listing(classes, tmp_path / "list.tsv").urls


def bodies(source, classes, tmp_path, most_bytes=10_000):
    """The bytes of each image that the source lists, by class and member."""
    files = LocalFiles(source.provide(classes), most_bytes)
    return {
        (name, address.partition("!")[2]): files.get(address).body
        for name, urls in addresses(source, classes, tmp_path).items()
        for address in urls
    }


KINDS = {
    "zip": ("set.zip", make_zip),
    "stored zip": ("set.ZIP", lambda path: make_zip(path, method=zipfile.ZIP_STORED)),
    "tar": ("set.tar", make_tar),
    "tgz": ("set.tgz", lambda path: make_tar(path, mode="w:gz")),
    "tar.xz": ("set.tar.xz", lambda path: make_tar(path, mode="w:xz")),
    "tar.bz2": ("set.tar.bz2", lambda path: make_tar(path, mode="w:bz2")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_images_in_the_named_places_are_read(tmp_path, kind):
    name, make = KINDS[kind]
    source = source_of(make(tmp_path / name))
    assert source.check([LION]) == []
    found = bodies(source, [LION], tmp_path)
    wanted = ["set/train/n02129165/images/a.JPEG", "set/train/n02129165/images/b.png", "set/val/n02129165/d.JPEG"]
    assert found == {("lion", name): IMAGES[name] for name in wanted}


def test_a_tar_has_the_same_addresses_however_it_is_compressed(tmp_path):
    found = []
    for kind in ("tar", "tgz", "tar.xz", "tar.bz2"):
        name, make = KINDS[kind]
        found.append(addresses(source_of(make(tmp_path / name)), [LION], tmp_path))
    assert found[0]["lion"][0] == "set.tar!set/train/n02129165/images/a.JPEG"
    assert found == [found[0]] * 4


ALBATROSS = ImageClass("black-footed albatross", "", "in", description="a bird")
LAYOUTS = {
    "Tiny ImageNet": (
        "zip", LION, ["tiny-imagenet-200/train/{wnid}/images/*"],
        ["tiny-imagenet-200/train/n02129165/images/n02129165_0.JPEG"],
        ["tiny-imagenet-200/train/n02129165/n02129165_boxes.txt", "tiny-imagenet-200/val/images/val_0.JPEG"],
    ),
    "Imagenette": (
        "tgz", LION, ["imagenette2-160/train/{wnid}/*.JPEG", "imagenette2-160/val/{wnid}/*.JPEG"],
        ["imagenette2-160/train/n02129165/n02129165_1.JPEG", "imagenette2-160/val/n02129165/ILSVRC2012_val_9.JPEG"],
        ["imagenette2-160/noisy_imagenette.csv"],
    ),
    "AwA2": (
        "zip", WHALE, ["Animals_with_Attributes2/JPEGImages/{class}/*.jpg"],
        ["Animals_with_Attributes2/JPEGImages/killer+whale/killer+whale_10001.jpg"],
        ["Animals_with_Attributes2/classes.txt", "Animals_with_Attributes2/JPEGImages/blue+whale/blue+whale_1.jpg"],
    ),
    "CUB": (
        "tgz", ALBATROSS, ["CUB_200_2011/images/{class}/*.jpg"],
        ["CUB_200_2011/images/001.Black_footed_Albatross/Black_Footed_Albatross_0001_796111.jpg"],
        ["attributes.txt", "CUB_200_2011/images/002.Laysan_Albatross/Laysan_Albatross_0001_545.jpg"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layouts_of_known_archives(tmp_path, name):
    suffix, image_class, templates, images, others = LAYOUTS[name]
    members = {member: member.encode() for member in images + others}
    path = tmp_path / f"set.{suffix}"
    make_zip(path, members) if suffix == "zip" else make_tar(path, members, "w:gz")
    source = source_of(path, tuple(templates))
    assert source.check([image_class]) == []
    assert bodies(source, [image_class], tmp_path) == {(image_class.name, one): one.encode() for one in images}


def test_classes_and_images_that_are_not_there_are_reported(tmp_path):
    path = make_zip(tmp_path / "set.zip")
    with pytest.raises(ParleyError, match=r"'killer whale' is not in .*set.zip"):
        addresses(source_of(path), [LION, WHALE], tmp_path)
    with pytest.raises(
        ParleyError,
        match=r"no image that matches source.archive.members \(.*\); it has 5 images \(such as set/tr.*\); "
        r"the template for these is set/train/\{wnid\}/images/\*",
    ):
        addresses(source_of(path, ("train/{wnid}/*",)), [LION], tmp_path)


def test_zip_is_read_in_place_and_tgz_is_unpacked_once(tmp_path):
    packed = make_tar(tmp_path / "set.tgz", mode="w:gz")
    first = source_of(packed).provide([LION])
    assert [path.name for path in first.iterdir()] == ["set.tar"]
    made = (first / "set.tar").stat()
    assert source_of(packed).provide([LION]) == first
    assert (first / "set.tar").stat() == made
    assert source_of(make_zip(tmp_path / "set.zip")).provide([LION]) == tmp_path


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_a_file_of_the_archive_is_copied_out(tmp_path, kind):
    name, make = KINDS[kind]
    source = source_of(make(tmp_path / name))
    copy = source.unpack("set/train/n02129165/boxes.txt")
    assert copy.read_bytes() == b"1 2 3 4"
    assert copy.is_relative_to(tmp_path / "store")
    assert copy.name == "boxes.txt"
    with pytest.raises(ParleyError, match=r"does not have set/boxes.txt; correct archive!set/boxes.txt in the config"):
        source.unpack("set/boxes.txt")
    with pytest.raises(ParleyError, match=r"does not have \.\./set.zip"):
        source.unpack("../set.zip")


def test_a_copy_by_another_name_has_other_keys_and_another_digest(tmp_path):
    sources = [source_of(make_zip(tmp_path / f"{name}.zip")) for name in "ab"]
    assert addresses(sources[0], [LION], tmp_path) != addresses(sources[1], [LION], tmp_path)
    assert sources[0].digest([LION]) != sources[1].digest([LION])


def test_a_text_of_more_than_64_mib_is_not_copied_out(tmp_path):
    source = source_of(make_zip(tmp_path / "set.zip", {"set/big.txt": bytes((64 << 20) + 1)}))
    with pytest.raises(ParleyError, match=r"big.txt has 67,108,865 bytes in .*, more than the 67,108,864 .*; extract"):
        source.unpack("set/big.txt")


def test_files_whose_paths_differ_in_a_slash_are_copied_apart(tmp_path):
    source = source_of(make_zip(tmp_path / "set.zip", {"a/b_c.txt": b"one", "a_b/c.txt": b"two"}))
    copies = [source.unpack(member) for member in ("a/b_c.txt", "a_b/c.txt")]
    assert [copy.read_bytes() for copy in copies] == [b"one", b"two"]


def test_it_is_downloaded_if_it_is_not_at_the_local_path(tmp_path, monkeypatch):
    """The name, and with it the keys of the images, is that of the first location, whichever gives the archive."""
    asked = []

    def download(locations, destination, *_, **__):
        asked.append(locations)
        destination.parent.mkdir(parents=True, exist_ok=True)
        make_zip(destination)
        return locations[-1]

    monkeypatch.setattr("parley.dataset.sources.archive.download", download)
    locations = (str(tmp_path / "tiny.zip"), "http://a/download/27?as=file")
    source = open_source(SourceOptions("archive", locations=locations, members=TEMPLATES, store=tmp_path / "store"))
    assert source.check([LION]) == []
    found = bodies(source, [LION], tmp_path)
    assert len(found) == 3
    assert addresses(source, [LION], tmp_path)["lion"][0].startswith("tiny.zip!set/train/")
    assert asked == [list(locations)]


@pytest.mark.parametrize("written", ["killer+whale", "killer_whale", "Killer-Whale", "killer whale"])
def test_class_names_are_found_as_archives_write_them(tmp_path, written):
    members = {f"birds/001.{written}/a.jpg": b"whale", "birds/002.ba\u0308r/b.jpg": b"bear"}
    source = source_of(make_zip(tmp_path / "set.zip", members), ("birds/*.{class}/*.jpg",))
    assert set(bodies(source, [WHALE, BEAR], tmp_path).values()) == {b"whale", b"bear"}


def zip_by(system, path, *names):
    """Write a zip as a program on Windows (0) or Unix (3) does, without adding entries for folders."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo("x")
            info.filename, info.create_system = name, system
            archive.writestr(info, b"" if name.endswith(("/", "\\")) else name.encode())


LITTER = ("__MACOSX/._lion", "__MACOSX/lion/._a.jpg", ".DS_Store", "lion/.DS_Store", "lion/Thumbs.db", "desktop.ini")
ZIPS = {
    "backslashes": (0, ("lion\\", "lion\\a.jpg", "hen\\b.jpg"), "{class}/*"),
    "a wrapper": (3, ("photos/", "photos/lion/", "photos/lion/a.jpg", "photos/hen/b.jpg"), "photos/{class}/*"),
    "litter": (3, ("lion/a.jpg", "hen/b.jpg", *LITTER), "{class}/*"),
    "litter at any depth": (3, ("photos/lion/a.jpg", "photos/hen/b.jpg", *LITTER), "*/{class}/*"),
    "dot and slash": (3, ("./lion/a.jpg", "./hen/b.jpg"), "{class}/*"),
    "hidden folder": (3, (".photos/lion/a.jpg", ".photos/hen/b.jpg"), ".photos/{class}/*"),
}


@pytest.mark.parametrize("kind", ZIPS)
def test_reads_zips_of_other_programs(tmp_path, kind, caplog):
    system, names, template = ZIPS[kind]
    zip_by(system, tmp_path / "set.zip", *names)
    with caplog.at_level("WARNING"):
        found = bodies(source_of(tmp_path / "set.zip", (template,)), [LION, HEN], tmp_path)
    assert sorted((name, PurePosixPath(member).name) for name, member in found) == [("hen", "b.jpg"), ("lion", "a.jpg")]
    assert not caplog.records


@pytest.mark.parametrize(
    ("system", "names", "template", "told"),
    [
        (3, ["lion\\a.jpg"], "{class}/*", r"1 images (lion\a.jpg)."),
        (
            3,
            ["photos/lion/a.jpg"],
            "{class}/*",
            "1 images (photos/lion/a.jpg); the template for these is photos/{class}/*.",
        ),
        (
            0,
            ["x\\n02129165\\y\\a.jpg"],
            "{class}/*",
            "1 images (x/n02129165/y/a.jpg); the template for these is x/{wnid}/y/*.",
        ),
        (3, ["lion/a.JPG"], "{class}/*.jpg", "1 images (lion/a.JPG); the template for these is {class}/*."),
        (3, ["cats/a.jpg"], "{class}/b/*", "1 images (cats/a.jpg)."),
        (3, ["train.zip", "readme.md"], "{class}/*", "2 other files (train.zip, readme.md)."),
    ],
)
def test_lists_the_images_of_an_archive_that_match_no_template(tmp_path, system, names, template, told):
    zip_by(system, tmp_path / "set.zip", *names, "__MACOSX/lion/._a.jpg", "Thumbs.db")
    with pytest.raises(ParleyError) as error:
        addresses(source_of(tmp_path / "set.zip", (template,)), [LION], tmp_path)
    assert error.value.findings[0].endswith(f"({template}); it has {told}")


def test_other_files_do_not_hide_why_images_are_unreadable(tmp_path):
    path = make_zip(tmp_path / "set.zip", {"lion/a.jpg": b"a", "readme.md": b"b"}, zipfile.ZIP_BZIP2)
    with pytest.raises(ParleyError, match=r"; its images are neither .*; it has 1 other files \(readme.md"):
        addresses(source_of(path, ("{class}/*",)), [LION], tmp_path)


def test_a_folder_given_as_archive_is_reported(tmp_path):
    (tmp_path / "set.zip").mkdir()
    (told,) = source_of(tmp_path / "set.zip").check([LION])
    assert told.startswith(f"{tmp_path}/set.zip is a folder, not an archive; set source.archive.locations to a zip or")


def test_an_archive_given_as_folder_is_reported(tmp_path):
    source = open_source(SourceOptions("folder", root=make_zip(tmp_path / "set.zip")))
    assert source.check([LION])[0].endswith("set.zip is not a folder; unpack it, or use source.kind archive.")


@pytest.mark.parametrize(("kind", "name"), [("folder", "lion"), ("folder", "n02129165"), ("tars", "lion.tar")])
def test_suggests_a_root_one_folder_deeper(tmp_path, kind, name):
    (tmp_path / "[photos]" / name).mkdir(parents=True)
    (told,) = open_source(SourceOptions(kind, root=tmp_path)).check([LION])
    assert f" in {tmp_path} (is the root {tmp_path}/[photos]?); " in told


def test_in_a_large_root_folders_are_suggested_for_the_first_classes(tmp_path):
    classes = [ImageClass(f"class{number}", "", "in", description="x") for number in range(12)]
    for one in classes:
        (tmp_path / "photos" / one.name).mkdir(parents=True)
    told = open_source(SourceOptions("folder", root=tmp_path)).check(classes)
    assert ["is the root" in one for one in told] == [True] * 10 + [False] * 2


def test_logs_images_that_match_no_template(tmp_path, caplog):
    path = make_zip(tmp_path / "set.zip", {"lion/a.jpg": b"a", "lion/b.JPG": b"b"})
    with caplog.at_level("INFO"):
        assert len(bodies(source_of(path, ("{class}/*.jpg",)), [LION], tmp_path)) == 1
    assert "images that match none of source.archive.members ({class}/*.jpg): 1 (lion/b.JPG)." in caplog.text


@pytest.mark.parametrize("encoding", ["utf-8", "cp437"])
def test_names_without_the_flag_of_utf8_are_read(tmp_path, encoding):
    placeholder = "x" * len("b\u00e4r".encode(encoding))
    make_zip(tmp_path / "set.zip", {f"{placeholder}/a.jpg": b"bear"})
    whole = (tmp_path / "set.zip").read_bytes().replace(placeholder.encode(), "b\u00e4r".encode(encoding))
    (tmp_path / "set.zip").write_bytes(whole)
    assert bodies(source_of(tmp_path / "set.zip", ("{class}/*",)), [BEAR], tmp_path) == {
        ("b\u00e4r", "b\u00e4r/a.jpg"): b"bear"
    }


def test_a_name_repeated_in_a_template_must_repeat_in_the_path(tmp_path):
    members = {"n02129165/n02129165_1.jpg": b"right", "n02129165/n01514859_1.jpg": b"wrong"}
    source = source_of(make_zip(tmp_path / "set.zip", members), ("{wnid}/{wnid}_*.jpg",))
    assert list(bodies(source, [LION], tmp_path).values()) == [b"right"]


def test_links_encrypted_members_and_paths_out_are_counted_and_skipped(tmp_path, caplog):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        link = zipfile.ZipInfo("lion/link.jpg")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/hostname")
        archive.writestr("lion/packed.jpg", b"x" * 999, zipfile.ZIP_BZIP2)
        archive.writestr("lion/../a.jpg", b"out")
        archive.writestr("lion/secret.jpg", b"secret")
        archive.writestr("lion/fine.jpg", b"fine")
        archive.writestr("lion/line\nbreak.jpg", b"odd")
    whole = bytearray((tmp_path / "set.zip").read_bytes())
    entry = whole.rindex(b"PK\x01\x02", 0, whole.rindex(b"lion/secret.jpg"))
    whole[entry + 8] |= 1  # The flag of encryption.
    (tmp_path / "set.zip").write_bytes(bytes(whole))
    source = source_of(tmp_path / "set.zip", ("{class}/*", "{class}/../*"))
    with caplog.at_level("WARNING"):
        assert list(bodies(source, [LION], tmp_path).values()) == [b"fine"]
    for problem in (
        "images skipped because they are encrypted: 1 (lion/secret.jpg)",
        "links, devices or sparse files: 1 (lion/link.jpg)",
        "neither stored nor deflated: 1 (lion/packed.jpg)",
        "paths that lead out of the archive: 1 (lion/../a.jpg)",
    ):
        assert caplog.text.count(problem) == 1
    assert source.listing([LION], tmp_path / "list.tsv").issues == {"bad_address": 1}


@pytest.mark.parametrize("name", ["set.tar", "set.tgz"])
def test_links_in_tars_are_counted_and_skipped(tmp_path, caplog, name):
    make_tar(tmp_path / "set.tar", {"lion/a.jpg": b"fine"})
    with tarfile.open(tmp_path / "set.tar", "a") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo(f"lion/{kind}.jpg")
            link.type, link.linkname = kind, "../../secret.jpg"
            tar.addfile(link)
    (tmp_path / "set.tgz").write_bytes(gzip.compress((tmp_path / "set.tar").read_bytes()))
    with caplog.at_level("WARNING"):
        assert list(bodies(source_of(tmp_path / name, ("{class}/*",)), [LION], tmp_path).values()) == [b"fine"]
    assert "because they are links, devices or sparse files: 2 (lion/b'2'.jpg, lion/b'1'.jpg)." in caplog.text


def test_if_no_image_can_be_read_the_reason_is_given(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("lion/a.jpg", b"packed by bzip2")
    with pytest.raises(ParleyError, match=r"members \(\{class\}/\*\); its images are neither stored nor deflated\."):
        addresses(source_of(tmp_path / "set.zip", ("{class}/*",)), [LION], tmp_path)


def test_overlong_member_names_are_skipped(tmp_path, caplog):
    make_tar(tmp_path / "set.tar", {"lion_1.jpg": b"fine", "_" * 50_000 + "/a.jpg": b"x", "_" * 60_000 + ".jpg": b"x"})
    with caplog.at_level("WARNING"):
        assert list(bodies(source_of(tmp_path / "set.tar", ("{class}_*.jpg",)), [LION], tmp_path).values()) == [b"fine"]
    assert "because they are in paths with a name of more than 255 characters: 2 (____" in caplog.text


def test_a_member_without_a_name_is_skipped(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("lion/a.jpg", b"fine")
        nameless = zipfile.ZipInfo("x")
        nameless.filename = ""
        archive.writestr(nameless, b"nameless")
    source = source_of(tmp_path / "set.zip", ("{class}/*",))
    assert list(bodies(source, [LION], tmp_path).values()) == [b"fine"]


def test_of_members_with_one_name_the_last_counts(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("lion/a.jpg", b"old")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("lion/a.jpg", b"new")
    source = source_of(tmp_path / "set.zip", ("{class}/*",))
    assert list(bodies(source, [LION], tmp_path).values()) == [b"new"]
    assert source.listing([LION], tmp_path / "list.tsv").issues == {"duplicate_url": 1}


def test_zip_member_with_wrong_or_large_size_is_rejected(tmp_path):
    make_zip(tmp_path / "set.zip", {"lion/a.jpg": bytes(5_000_000)})
    files = LocalFiles(tmp_path, 1000)
    assert files.get("set.zip!lion/a.jpg").error is ErrorClass.TOO_LARGE
    whole = (tmp_path / "set.zip").read_bytes().replace(struct.pack("<I", 5_000_000), struct.pack("<I", 500))
    (tmp_path / "set.zip").write_bytes(whole)
    assert LocalFiles(tmp_path, 1000).get("set.zip!lion/a.jpg").error is ErrorClass.UNREADABLE


OTHER_KINDS = {
    "login page": (b"\n <!DOCTYPE html><p>", "an HTML page, such as a login or error page; copy the right file there"),
    "error page": (b"<?xml version='1.0'?><Error>", "an XML page, such as an error message; copy the right file there"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive; unpack it, and make a zip or tar of its files"),
    "rar": (b"Rar!\x1a\x07\x01\0" + bytes(99), "a RAR archive; unpack it, and make a zip or tar of its files"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(99), "compressed by zstd; decompress it"),
    "lz4": (b"\x04\x22\x4d\x18" + bytes(99), "compressed by lz4; decompress it"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer; run `git lfs"),
    "nothing": (b"", "empty; copy the right file there"),
}


@pytest.mark.parametrize("name", ["set.tar", "set.zip", "set.7z", "set.tar.zst", "set.tgz", "set"])
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_names_the_kind_of_a_local_file_given_as_archive(tmp_path, name, kind):
    content, words = OTHER_KINDS[kind]
    (tmp_path / name).write_bytes(content)
    source = source_of(tmp_path / name)
    (told,) = source.check([LION])
    assert told.startswith(f"{tmp_path / name} is not a zip or tar: it is {words}")
    with pytest.raises(ParleyError) as error:
        addresses(source, [LION], tmp_path)
    assert error.value.findings == [told]


@pytest.mark.parametrize("kind", OTHER_KINDS)
@pytest.mark.parametrize("tars", ["lion.tar", "all.tar"])
def test_names_the_kind_of_a_local_file_given_as_tar(tmp_path, tars, kind):
    content, words = OTHER_KINDS[kind]
    (tmp_path / tars).write_bytes(content)
    root = tmp_path if tars == "lion.tar" else tmp_path / tars
    with pytest.raises(ParleyError) as error:
        open_source(SourceOptions("tars", root=root)).listing([LION], None)
    what = "is not a tar: it is" if root == tmp_path else "is not a tar of tars: it is"
    assert f"{tmp_path / tars} {what} {words.split(',')[0].split(';')[0]}" in str(error.value)
    assert "remove" not in str(error.value)


def test_asks_to_decompress_a_compressed_tar(tmp_path):
    make_tar(tmp_path / "lion.tar", mode="w:gz")
    with pytest.raises(ParleyError, match=r"lion.tar is not a tar: it is compressed; decompress it\."):
        open_source(SourceOptions("tars", root=tmp_path)).listing([LION], None)


@pytest.mark.parametrize(
    ("name", "content"), [("set.zip", b"PK\x03\x04" + bytes(99)), ("set.tar", b"?" * 999), ("set.zip", b"?" * 999)]
)
def test_asks_to_copy_a_damaged_local_archive_again(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ParleyError, match=rf"{name} is not a complete zip or tar \(.+\); copy it again\.$"):
        addresses(source_of(tmp_path / name), [LION], tmp_path)
    assert not any("rename" in told for told in source_of(tmp_path / name).check([LION]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_archive_is_reported(tmp_path, kind, share):
    name, make = KINDS[kind]
    whole = make(tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole.rstrip(b"\0")) * share)])
    with pytest.raises(ParleyError, match=rf"{name} is (a truncated|not a complete)"):
        addresses(source_of(tmp_path / name), [LION], tmp_path)
    assert not list((tmp_path).glob("store/*/*"))


@pytest.mark.parametrize("kind", ["tgz", "tar.bz2", "tar.xz"])
def test_a_corrupt_compressed_tar_is_reported(tmp_path, kind):
    name, make = KINDS[kind]
    whole = bytearray(make(tmp_path / name).read_bytes())
    whole[40:60] = b"?" * 20
    (tmp_path / name).write_bytes(whole)
    with pytest.raises(ParleyError, match=rf"{name} is a truncated or damaged archive"):
        addresses(source_of(tmp_path / name), [LION], tmp_path)


def test_xz_multistream_is_read_and_huge_dictionary_is_refused(tmp_path):
    plain = make_tar(tmp_path / "set.tar").read_bytes()
    (tmp_path / "set.tar.xz").write_bytes(lzma.compress(plain[:700]) + bytes(8) + lzma.compress(plain[700:]) + bytes(4))
    assert len(bodies(source_of(tmp_path / "set.tar.xz"), [LION], tmp_path)) == 3
    packed = bytearray(lzma.compress(plain))
    end = 12 + (packed[12] + 1) * 4  # of the block's header, whose filter has a code for the size of its dictionary
    packed[packed.index(b"\x21\x01", 12) + 2] = 40
    packed[end - 4 : end] = struct.pack("<I", zlib.crc32(packed[12 : end - 4]))
    (tmp_path / "big.tar.xz").write_bytes(packed)
    with pytest.raises(
        ParleyError, match=r"big.tar.xz is a truncated or damaged archive \(Memory usage limit exceeded"
    ):
        addresses(source_of(tmp_path / "big.tar.xz"), [LION], tmp_path)


@pytest.mark.parametrize("traits", ["damaged", "half", "plain+half"])
def test_a_mirror_with_a_damaged_archive_is_left_for_the_next(web, tmp_path, traits):
    bad, good = web.url(f"tgz/1/{traits}/set.tgz"), web.url("tgz/1/whole/set.tgz")
    options = {"members": ("set/{class}/*",), "store": tmp_path / "store", "allow_private_hosts": True}
    source = open_source(SourceOptions("archive", locations=(bad, good), **options))
    assert len(bodies(source, [LION], tmp_path)) == 1
    assert [path.name for path in tmp_path.glob("store/*/*")] == ["set.tar"]
    with pytest.raises(ParleyError, match=r"alone.tgz gave no zip or tar \(.+\); check the address"):
        open_source(SourceOptions("archive", locations=(web.url(f"tgz/1/{traits}/alone.tgz"),), **options)).provide([])


def test_a_full_disk_does_not_cost_the_download(web, tmp_path, small_disk):
    small_disk.mount(tmp_path / "store", 1 << 20)
    options = {"members": ("set/{class}/*",), "store": tmp_path / "store", "allow_private_hosts": True}
    source = open_source(SourceOptions("archive", locations=(web.url("tgz/4/whole/set.tgz"),), **options))
    with pytest.raises(ParleyError, match=r"set.tar cannot be written \(No space left on device\). Free disk space"):
        addresses(source, [LION], tmp_path)
    small_disk.make_read_only(tmp_path / "store")
    with pytest.raises(ParleyError, match=r"cannot be written \(Read-only file system\)"):
        addresses(source, [LION], tmp_path)
    small_disk.make_room(tmp_path / "store")
    assert len(bodies(source, [LION], tmp_path)) == 1
    assert web.count("tgz/4/whole/set.tgz") == 1
    assert [path.name for path in tmp_path.glob("store/*/*")] == ["set.tar"]


PROCESS = """
import sys
from pathlib import Path, PurePosixPath
from parley.dataset.sources import SourceOptions, open_source
options = {"members": ("set/{class}/*",), "store": Path(sys.argv[2]), "allow_private_hosts": True}
print(open_source(SourceOptions("archive", locations=(sys.argv[1],), **options)).provide([]))
"""


@pytest.mark.slow
def test_a_kill_while_unpacking_keeps_the_download(web, tmp_path):
    path = "tgz/300/whole/set.tgz"
    command = [sys.executable, "-c", PROCESS, web.url(path), str(tmp_path)]
    with subprocess.Popen(command) as process:
        until = time.monotonic() + 60
        while process.poll() is None and not list(tmp_path.glob("*/.set.tar.*.part")) and time.monotonic() < until:
            time.sleep(0.001)
        process.kill()
    assert list(tmp_path.glob("*/set.download"))
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(told)) == 1
    assert web.count(path) == 1
    assert [one.name for one in tmp_path.glob("*/[!.]*")] == ["set.tar"]


def test_a_directory_that_claims_more_than_a_directory_has_is_reported(tmp_path):
    with (tmp_path / "set.zip").open("wb") as stream:
        stream.write(b"PK\x03\x04")
        stream.truncate(3 << 30)
        stream.seek(0, 2)
        stream.write(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, 3 << 30, 0, 0))
    with pytest.raises(ParleyError, match=r"set.zip is not a complete zip.*its directory claims 3221225472 bytes"):
        addresses(source_of(tmp_path / "set.zip"), [LION], tmp_path)


def test_a_tar_that_unfolds_beyond_measure_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("parley.dataset.archives._SPARE_BYTES", 1 << 20)
    make_tar(tmp_path / "set.tgz", {"set/readme": bytes(50_000_000)}, "w:gz")
    with pytest.raises(ParleyError, match=r"set.tgz is a truncated or damaged archive \(set/readme has 50000000 bytes"):
        addresses(source_of(tmp_path / "set.tgz"), [LION], tmp_path)


def test_a_wrong_checksum_or_size_is_reported(tmp_path):
    for path in (make_zip(tmp_path / "set.zip"), make_tar(tmp_path / "set.tgz", mode="w:gz")):
        with pytest.raises(ParleyError, match="sha1"):
            addresses(source_of(path, checksum="sha1:" + "0" * 40), [LION], tmp_path)
        with pytest.raises(ParleyError, match=r"bytes, not 7; correct source.archive.size"):
            # The size is compared first: a checksum of 100 GB takes minutes.
            addresses(source_of(path, size_bytes=7, checksum="sha1:" + "0" * 40), [LION], tmp_path)


def test_settings_are_checked(tmp_path):
    path = make_zip(tmp_path / "set.bin")
    (finding,) = source_of(path).check([LION])
    assert "does not end with .zip; rename it" in finding
    (finding,) = source_of(tmp_path / "none.zip").check([LION])
    assert "not at any of its locations" in finding
    path = make_zip(tmp_path / "set.zip")
    (finding,) = source_of(path, ("{split}/{wnid}/*",)).check([LION])
    assert "has the placeholder {split}; use {wnid} or {class}" in finding
    (finding,) = source_of(path, ("images/*.jpg",)).check([LION])
    assert "must contain either {wnid} or {class}" in finding
    (finding,) = source_of(path).check([LION, WHALE])
    assert "'killer whale' has no wnid" in finding


def test_the_digest_is_that_of_the_checksum_or_the_first_location(tmp_path):
    def digest(*locations, **options):
        return open_source(SourceOptions("archive", locations=locations, members=TEMPLATES, **options)).digest([LION])

    assert digest("http://a/x.zip") == digest("http://a/x.zip", "http://mirror/x.zip") != digest("http://b/x.zip")
    known = {"checksum": "sha1:" + "0" * 40}
    assert digest("http://a/x.zip", **known) == digest("http://b/x.zip", **known)
    # The keys of images contain the name.
    assert digest("http://a/x.zip", **known) != digest("http://a/y.zip", **known)


LARGE = Path(__file__).parents[3] / "benchmarks/archives.py"
FOUND = r"14 GB: (\d+) images listed in .* s, (\d+) read in .* s, (\d+) MB"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_14_gb_with_100_000_members_are_read_with_flat_memory(kind):
    command = [sys.executable, str(LARGE), kind, "--gb", "14"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=True)
    images, read, peak_mb = map(int, re.search(FOUND, done.stdout).groups())
    assert (images, read) == (100_000, 1000)
    assert peak_mb < 150


def test_a_silent_server_is_left_after_the_configs_read_timeout(tmp_path, web, monkeypatch):
    monkeypatch.setattr(downloads, "RETRIES", 0)
    archive = {"locations": web.url("silent/a"), "members": TEMPLATES}
    config = {"kind": "archive", "class_size": None, "archive": archive}
    fetch = {"allow_private_hosts": True, "read_timeout_s": 0.2}
    source = open_source(replace(source_options(config, fetch=fetch), store=tmp_path / "store"))
    began = time.monotonic()
    with pytest.raises(ParleyError, match="timed out"):
        addresses(source, [LION], tmp_path)
    assert time.monotonic() - began < 35  # At the default, it cannot end before 40 s.
