"""Images are recognised by their bytes, whatever their names; skipped files are counted."""

import io
import logging
import os
import tarfile
import time
import zipfile

import pytest
from made_images import encoded
from PIL import Image

from parley.core.errors import ParleyError
from parley.dataset.candidates import select
from parley.dataset.class_set import ImageClass
from parley.dataset.fetch.images import Images, LocalFiles
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.image_signatures import HEAD_BYTES, kind_of_file
from parley.dataset.left_out import LeftOut
from parley.dataset.sources import SourceOptions, open_source

LION = ImageClass("lion", "n02129165", "in")
PHOTO = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)
FOUND = {
    "a.jfif": encoded(PHOTO, "JPEG"),
    "b.jpe": encoded(PHOTO, "JPEG"),
    "c.avif": encoded(PHOTO, "AVIF"),
    "d": encoded(PHOTO, "PNG"),
    "e.jpg?w=100": encoded(PHOTO, "JPEG", quality=50),
    "f.JPG:large": encoded(PHOTO, "JPEG", quality=60),
    "g.WebP": encoded(PHOTO, "WEBP"),
    "h.PNG": encoded(PHOTO.rotate(90), "PNG"),
    "i.apng": encoded(PHOTO.rotate(180), "PNG"),
    "j.image": encoded(PHOTO, "GIF"),
    "k.dib": encoded(PHOTO, "BMP"),
    "l.btf": encoded(PHOTO, "TIFF"),
    "m.txt": encoded(PHOTO, "TIFF", big_tiff=True),
    "n.pjpeg": encoded(PHOTO, "JPEG", quality=30),
    "o 1.jpg (copy)": encoded(PHOTO, "JPEG", quality=20),
}
PASSED_OVER = {
    "a.heic": ("HEIC", HEIC),
    "b.HEIF": ("HEIC", HEIC.replace(b"heic", b"mif1", 1)),
    "photo": ("HEIC", HEIC.replace(b"heic", b"heix")),
    "c.svg": ("SVG", b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "d.pdf": ("PDF", b"%PDF-1.7\n\xe2\xe3"),
    "e.txt": ("text", b"a lion"),
    "f.csv": ("text", "l\u00f6we,1\n".encode()),
    "g.json": ("text", b"{}"),
    "h": ("empty", b""),
    ".DS_Store": ("hidden", b"\0\0\0\1Bud1"),
    "._x": ("hidden", b"\0\5\x16\7"),
    "._y.jpg": ("hidden", b"\0\5\x16\7"),
    "Thumbs.db": ("hidden", b"\xd0\xcf\x11\xe0"),
    "i.dng": ("camera raw", encoded(PHOTO, "TIFF")),
    "j.mp4": ("video", b"\0\0\0\x18ftypisom\0\0\0\0isom"),
    "k.jp2": ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
    "l.jxl": ("JPEG XL", b"\xff\x0a\0\0"),
    "m.psd": ("PSD", b"8BPS\0\1"),
    "n.ico": ("ICO", b"\0\0\1\0\1\0"),
    "o.avifs": ("animated AVIF", b"\0\0\0\x18ftypavis\0\0\0\0avif"),
    "p.npy": ("unknown", b"\x93NUMPY\1\0"),
    "q.bm": ("text", b"BM is short for body mass"),
}
FILES = {f"lion/{name}": body for name, body in FOUND.items()} | {
    f"lion/{name}": body for name, (_, body) in PASSED_OVER.items()
}
COUNTS = {kind: sum(one == kind for one, _ in PASSED_OVER.values()) for kind, _ in PASSED_OVER.values()}


def make_folder(folder):
    for name, body in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return SourceOptions("folder", root=folder)


def fill_tar(path, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, body in FILES.items():
            header = tarfile.TarInfo(name)
            header.size = len(body)
            tar.addfile(header, io.BytesIO(body))


def make_tars(folder):
    fill_tar(folder / "lion.tar")
    return SourceOptions("tars", root=folder)


def make_tar_of_tars(folder):
    fill_tar(folder / "lion.tar")
    with tarfile.open(folder / "all.tar", "w") as tar:
        tar.add(folder / "lion.tar", "deep/lion.tar")
    return SourceOptions("tars", root=folder / "all.tar")


def archive_of(path):
    return SourceOptions("archive", locations=(str(path),), members=("{class}/*",), store=path.parent / "store")


def make_zip(folder):
    with zipfile.ZipFile(folder / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in FILES.items():
            archive.writestr(name, body)
    return archive_of(folder / "set.zip")


def make_tgz(folder):
    fill_tar(folder / "set.tgz", "w:gz")
    return archive_of(folder / "set.tgz")


@pytest.mark.parametrize("make", [make_folder, make_tars, make_tar_of_tars, make_zip, make_tgz])
def test_images_are_recognised_by_their_bytes_and_skipped_files_counted(make, tmp_path, caplog):
    options = make(tmp_path)
    source, url_list = open_source(options), None
    assert source.check([LION]) == []
    if source.needs_listing:
        url_list = tmp_path / "list.tsv"
        source.write_listing([LION], url_list)
    with caplog.at_level(logging.WARNING):
        counts = {"in": {"train": len(FOUND)}}
        listing = select(options, [LION], counts, tmp_path / "candidates.tsv", url_list)
    names = [url.rpartition("/")[2] for url in listing.urls["lion"]]
    assert names == sorted(FOUND)
    counted = source.skipped_files if url_list else listing.skipped_files
    assert counted == COUNTS
    messages = [record.getMessage() for record in caplog.records]
    (told,) = [one for one in messages if "skipped" in one]
    assert "Files skipped because they are not images in a supported format: 4 " in told
    where = "lion.tar!lion/" if options.kind == "tars" else "lion/"
    assert f", 3 HEIC ({where}a.heic, {where}b.HEIF, {where}photo), " in told
    assert f"4 text (such as {where}e.txt, {where}f.csv, {where}g.json), " in told
    assert f"4 hidden (such as {where}.DS_Store, " in told
    assert "reading HEIC needs a plug-in for Pillow: convert these files to JPEG" in told
    images = Images(tmp_path / "cache", source.provide([LION]), FetchOptions(min_side=20))
    try:
        for number, url in enumerate(listing.urls["lion"]):
            images.submit((f"{number:032x}", url), number)
        results = []
        while len(results) < len(FOUND):
            results += images.completed()
    finally:
        images.close()
    assert {result.url.rpartition("/")[2]: result.error for _, result in results} == dict.fromkeys(FOUND)


def fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_links_to_folders_and_hidden_folders_are_named(tmp_path):
    fill(tmp_path, "lion/a.jpg", "lion/.git/a.jpg", "more/b.jpg")
    (tmp_path / "lion/more").symlink_to(tmp_path / "more")
    listing = open_source(SourceOptions("folder", root=tmp_path)).listing([LION], None)
    assert listing.urls["lion"] == ["lion/a.jpg"]
    assert str(listing.skipped_files) == "1 hidden (lion/.git), 1 links to folders (lion/more)"


def test_skipped_members_of_tars_are_named(tmp_path):
    with tarfile.open(tmp_path / "lion.tar", "w") as tar:
        for name in ("./a.jpg", "./.cache/a.jpg", "../b.jpg", "._c.jpg"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo("d.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "a.jpg"
        tar.addfile(link)
    listing = open_source(SourceOptions("tars", root=tmp_path)).listing([LION], None)
    assert listing.urls["lion"] == ["lion.tar!../b.jpg", "lion.tar!./a.jpg"]
    assert str(listing.skipped_files) == (
        "2 hidden (lion.tar!./.cache/a.jpg, lion.tar!._c.jpg), 1 links, devices or sparse files (lion.tar!d.jpg)"
    )


def test_file_names_that_do_not_fit_a_table_are_logged(tmp_path, caplog):
    fill(tmp_path, *(f"lion/{number}\n.jpg" for number in range(4)), "lion/" + "x" * 199 + "\t.jpg", "lion/a.jpg")
    with caplog.at_level(logging.WARNING):
        select(SourceOptions("folder", root=tmp_path), [LION], {"in": {"train": 1}}, tmp_path / "candidates.tsv")
    told = r"5 of 6 entries in the list have the issue bad_address (such as lion/0\n.jpg, lion/1\n.jpg, lion/2\n.jpg)"
    assert told in caplog.text


@pytest.mark.parametrize("length", [3, 120, 121, 50_000])
def test_long_names_are_shortened(length):
    left_out = LeftOut()
    left_out.add("text", "x" * length)
    assert len(str(left_out)) < 140


def test_a_shortage_names_the_skipped_files(tmp_path):
    with pytest.raises(ParleyError) as error:
        select(make_folder(tmp_path), [LION], {"in": {"train": 99}}, tmp_path / "candidates.tsv")
    assert "3 HEIC" in error.value.findings[-1]
    assert "convert these files to JPEG" in error.value.findings[-1]


def test_an_archive_without_images_names_the_skipped_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("lion/a.heic", HEIC)
    with pytest.raises(ParleyError, match=r"no images at all .Files skipped .* 1 HEIC (.*a.heic.); reading"):
        list(open_source(archive_of(tmp_path / "set.zip")).entries([LION]))


def test_names_with_a_usual_suffix_are_candidates_without_being_opened(tmp_path):
    (tmp_path / "lion").mkdir()
    os.mkfifo(tmp_path / "lion/pipe.jpg")
    (tmp_path / "lion/page.jpg").write_bytes(b"<html>")
    (tmp_path / "lion/phone.jpg").write_bytes(HEIC)
    listing = open_source(SourceOptions("folder", root=tmp_path)).listing([LION], None)
    assert listing.urls["lion"] == ["lion/page.jpg", "lion/phone.jpg", "lion/pipe.jpg"]
    assert not listing.skipped_files
    images = Images(tmp_path / "cache", tmp_path, FetchOptions())
    try:
        images.submit(("0" * 32, "lion/phone.jpg"), 0)
        ((_, result),) = images.completed()
    finally:
        images.close()
    assert result.error == "heic"


def test_unreadable_files_are_counted(tmp_path):
    (tmp_path / "lion").mkdir()
    os.mkfifo(tmp_path / "lion/pipe")
    (tmp_path / "lion/nothing").symlink_to("nowhere")
    (tmp_path / "lion/circle").symlink_to("circle")
    listing = open_source(SourceOptions("folder", root=tmp_path)).listing([LION], None)
    assert listing.skipped_files == {"unreadable": 3}
    assert LocalFiles(tmp_path, 99).get("lion/nothing").error == "missing"


@pytest.mark.parametrize("size", [0, 1, 3, 4, 11, 12, 17, 30])
def test_short_files_are_of_some_kind(size):
    for body in FILES.values():
        assert kind_of_file("", body[:size])


@pytest.mark.slow
def test_looking_into_many_files_takes_little_time(tmp_path):
    """A caption beside each of many images costs about as much as listing the images."""
    folder = tmp_path / "lion"
    folder.mkdir()
    number = 5_000
    for at in range(number):
        (folder / f"{at}.jpg").touch()
        (folder / f"{at}.txt").write_bytes(b"a lion")
    source = open_source(SourceOptions("folder", root=tmp_path))
    start = time.process_time()
    listing = source.listing([LION], None)
    assert time.process_time() - start < number * 100e-6
    assert len(listing.urls["lion"]) == listing.skipped_files["text"] == number
    assert HEAD_BYTES <= 4096  # one block of a disk
