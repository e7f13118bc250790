"""Tars that no archiver writes, read from every place that reads tars: a sentence, in little memory."""

import io
import tarfile
import tracemalloc

import pytest

from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass
from parley.dataset.fetch.images import LocalFiles
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.sources import SourceOptions, open_source
from parley.dataset.sources.url_list_reader import text_chunks
from parley.dataset.tars import count_images, packed_images
from parley.report.page.inline import read_thumbnails

NAME = "0" * 32 + ".jpg"


def header(name=NAME, size=0, kind=tarfile.REGTYPE, raw_size=None):
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    block = bytearray(made.tobuf(tarfile.USTAR_FORMAT))
    if raw_size is not None:
        block[124:136] = raw_size
        block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:]))
    return bytes(block)


def padded(body):
    return body + bytes(-len(body) % 512)


def described(kind, body):
    return header("d", len(body), kind) + padded(body)


def negative(bytes_):
    return b"\xff" + (256**11 - bytes_).to_bytes(11, "big")


SPARSE = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
HOSTILE = {
    "chain of long names": described(b"L", b"a.jpg\0") * 3000 + header(),
    "chain of PAX headers": described(b"x", b"11 path=ab\n") * 3000 + header(),
    "long name of 8 GiB": header("d", 0o77777777777, b"L") + header(),
    "PAX header of 8 GiB": header("d", 0o77777777777, b"x") + header(),
    "negative size": header() + header(raw_size=negative(512)) + header(),
    "endless sparse map": described(b"x", SPARSE) + header(size=1 << 22) + b"1" * (1 << 22),
    "sparse map without numbers": described(b"x", SPARSE) + header(size=512) + padded(b"x" * 500),
    "size beyond the end": header(size=1 << 30) + bytes(5000),
    "damaged header": header() + b"x" * 512 + header(),
}


@pytest.fixture(params=HOSTILE)
def hostile(request, tmp_path):
    (tmp_path / "ant.tar").write_bytes(HOSTILE[request.param] + bytes(1024))
    return tmp_path / "ant.tar"


READERS = {
    "source": lambda tar: open_source(SourceOptions("tars", root=tar.parent)).listing(
        [ImageClass("ant", "", "in")], None
    ),
    "packed": lambda tar: list(packed_images(tar)),
    "count": count_images,
    "report": lambda tar: read_thumbnails([tar], ["0" * 32]),
    "urls": lambda tar: list(text_chunks(tar)),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_hostile_tar_ends_in_a_sentence_that_names_it(hostile, reader):
    tracemalloc.start()
    try:
        with pytest.raises(ParleyError, match=r"ant\.tar"):
            READERS[reader](hostile)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def test_a_member_of_a_hostile_tar_is_unreadable(hostile):
    assert LocalFiles(hostile.parent, 10**7).get(f"ant.tar!{NAME}").error is ErrorClass.UNREADABLE


def test_sparse_members_and_links_are_skipped(tmp_path):
    with tarfile.open(tmp_path / "ant.tar", "w") as tar:
        for name, kind in (("a.jpg", tarfile.SYMTYPE), ("b.jpg", tarfile.LNKTYPE), ("c.jpg", tarfile.FIFOTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "/etc/hostname"
            tar.addfile(link)
        plain = tarfile.TarInfo("d.jpg")
        plain.size = 3
        tar.addfile(plain, io.BytesIO(b"abc"))
    sparse = b"22 GNU.sparse.map=0,0\n26 GNU.sparse.size=999999\n"
    whole = (tmp_path / "ant.tar").read_bytes().rstrip(b"\0")
    whole = padded(whole) + described(b"x", sparse) + header("e.jpg", 512) + bytes(512 + 1024)
    (tmp_path / "ant.tar").write_bytes(whole)
    listing = READERS["source"](tmp_path / "ant.tar")
    assert listing.urls["ant"] == ["ant.tar!d.jpg"]
    assert LocalFiles(tmp_path, 10).get("ant.tar!d.jpg").body == b"abc"
