"""Images whose decoding would take far longer than their size suggests, and images that only look like them."""

import hashlib
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from made_images import MIN_IS_BLACK, RGB, animation, chunk, encoded, png, segment, tiff
from PIL import Image

from parley.dataset.avif_work import avif_pixels
from parley.dataset.decoding_work import MOST_PARTS, check_work
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.fetch.validate import validate

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (500, 700, 3), np.uint8))
SMALL = NOISE.resize((64, 64))
MOST_S = 5.0
MANY = MOST_PARTS + 10


def with_segments(number, content=b"Exif\0\0II", marker=0xE1):
    jpeg = encoded(NOISE, "JPEG", quality=95)
    return jpeg[:2] + segment(marker, content) * number + jpeg[2:]


def bits(text):
    text += "1" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8)).replace(b"\xff", b"\xff\0")


def progressive(side, scans, between=b""):
    """A grey progressive JPEG of one colour, refined in any number of scans of few bytes."""
    blocks = ((side + 7) // 8) ** 2
    runs, left = "", blocks
    while left:
        power = min(left.bit_length() - 1, 14)
        taken = min(left, (2 << power) - 1)
        runs += f"{power:04b}" + (f"{taken - (1 << power):0{power}b}" if power else "")
        left -= taken
    parts = [
        b"\xff\xd8",
        segment(0xDB, b"\0" + b"\1" * 64),
        segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0"),
        segment(0xC4, b"\0" + bytes([1, *[0] * 15]) + b"\0"),
        segment(0xC4, b"\x10" + bytes([0, 0, 0, 15, *[0] * 12]) + bytes(run << 4 for run in range(15))),
        segment(0xDA, b"\1\1\0\0\0\0") + bits("0" * blocks),
        segment(0xDA, b"\1\1\0\1\x3f\1") + bits(runs),
        (between + segment(0xDA, b"\1\1\0\1\x3f\x10") + bits(runs)) * scans,
        b"\xff\xd9",
    ]
    return b"".join(parts)


def in_strips(number, order="<", tag=273):
    """A TIFF with the given number of strips (or tiles), all at the same offset."""
    return tiff(64, 64, [8], MIN_IS_BLACK, bytes(4096), [(tag, 3, [500] * number)], order)


def big_tiff_in_strips(number):
    entry = struct.pack("<HHQQ", 273, 3, number, 36 + 8)
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 1) + entry + bytes(8) + bytes(2 * number)


def compressed_tiff(side, data, extra, compression=8):
    """A grey TIFF with a compression and further tags (number, values), of which the last is said last."""
    tags = {256: [side], 257: [side], 258: [8], 259: [compression], 262: [1], 277: [1], **extra}
    start = 8 + 2 + 12 * len(tags) + 4
    rows, beyond = b"", b""
    for number, values in sorted(tags.items()):
        content = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            content, beyond = struct.pack("<I", start + len(beyond)), beyond + content
        rows += struct.pack("<HHI", number, 4, len(values)) + content
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + rows + bytes(4) + beyond + data


def huge_tile(side):
    """A small TIFF of one tile of `side` x `side` pixels."""
    data = zlib.compress(bytes(1 << 20), 9)
    return compressed_tiff(64, data, {322: [side], 323: [side], 324: [8 + 2 + 120 + 4], 325: [len(data)]})


def greedy_strips(number):
    """A TIFF whose strips all claim the whole file."""
    head = compressed_tiff(64, b"", {273: [0] * number, 278: [1], 279: [0] * number})
    body = bytes(1 << 20)
    return compressed_tiff(64, body, {273: [len(head)] * number, 278: [1], 279: [len(body)] * number}, 32773)


def scanned_tiff(scans):
    """A TIFF of one tile that is a JPEG of many scans."""
    jpeg = progressive(7000, scans)
    return compressed_tiff(7000, jpeg, {273: [8 + 2 + 12 * 9 + 4], 278: [7000], 279: [len(jpeg)]}, 7)


def overlapping_jpegs(number):
    """A TIFF whose strips are JPEGs that begin one after another, and end together."""
    head = compressed_tiff(64, b"", {273: [0] * number, 278: [1], 279: [0] * number}, 7)
    starts, body = range(len(head), len(head) + number), bytes(1 << 20)
    return compressed_tiff(64, body, {273: starts, 278: [1], 279: [len(body) - at for at in range(number)]}, 7)


def pages(number):
    """A TIFF of many pages, all but the first of which are empty."""
    first = tiff(64, 64, [8], MIN_IS_BLACK, bytes(4096))
    (entries,) = struct.unpack_from("<H", first, 8)
    link = 8 + 2 + 12 * entries
    chain = b"".join(struct.pack("<HI", 0, len(first) + 6 * (at + 1)) for at in range(number - 1)) + bytes(6)
    return first[:link] + struct.pack("<I", len(first)) + first[link + 4 :] + chain


def small_png(before=(), after=()):
    return png(64, 64, 8, RGB, [bytes(192)] * 64, before, after)


def split_png(number):
    """A PNG whose pixels lie in many chunks."""
    whole = small_png()
    start, end = whole.index(b"IDAT") - 4, whole.index(b"IEND") - 4
    return whole[:start] + chunk(b"IDAT", b"") * number + whole[start:end] + whole[end:]


def gif_of(frames=1, extensions=0, blocks=0, strays=0):
    whole = encoded(Image.new("RGB", (64, 64)), "GIF")
    head = 13 + (3 << ((whole[10] & 7) + 1))
    image = whole[head:-1]
    pause = b"!\xf9\4\0\1\0\0\0"
    comment = b"!\xfe" + b"\1a" * blocks + b"\0" if blocks else b""
    return whole[:head] + bytes(strays) + comment + pause * extensions + image * frames + b";"


def webp_of(frames):
    whole = animation("WEBP", 2, 64)
    at, parts = 12, []
    while at < len(whole):
        size = 8 + struct.unpack_from("<I", whole, at + 4)[0]
        parts.append(whole[at : at + size + size % 2])
        at += size + size % 2
    body = b"WEBP" + b"".join(one for one in parts if one[:4] != b"ANMF") + parts[-1] * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def rle_bmp(data, side=3000):
    head = struct.pack("<2sIHHI", b"BM", 1078 + len(data), 0, 0, 1078)
    return head + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 0, 0, 256, 0) + bytes(1024) + data


def tiff_with_values(tag, kind, bytes_each, number=300_000):
    """A TIFF with a tag of many values."""
    body = bytearray(tiff(64, 64, [8], MIN_IS_BLACK, bytes(4096), [(tag, 3, [1] * 3)]))
    at = body.index(struct.pack("<HHI", tag, 3, 3))
    struct.pack_into("<HHII", body, at, tag, kind, number, len(body))
    return bytes(body) + b"\1\0\0\0" * (number * bytes_each // 4)


def exif_with_values(number=300_000):
    """EXIF data of which the orientation is many fractions."""
    return b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x112, 5, number, 26) + bytes(4) + b"\1\0\0\0" * 2 * number


def avif_of(side, claimed, frames=1):
    """An AVIF that claims another size than its frame has, and may have the frame several times."""
    whole = bytearray(encoded(Image.new("RGB", (side, side)), "AVIF", speed=10))
    struct.pack_into(">II", whole, whole.index(b"ispe") + 8, claimed, claimed)
    at = whole.index(b"mdat")
    size = struct.unpack_from(">I", whole, at - 4)[0] - 8
    places = [place for place in range(at) if whole[place : place + 4] == struct.pack(">I", size)]
    struct.pack_into(">I", whole, places[-1], size * frames)
    return bytes(whole) + bytes(whole[at + 4 : at + 4 + size]) * (frames - 1)


BOMBS = {
    "jpeg-exif": lambda: with_segments(30_000),
    "jpeg-scans": lambda: progressive(7000, 110),
    "jpeg-scans-of-a-small-image": lambda: progressive(200, 100_000),
    "jpeg-scans-after-restarts": lambda: progressive(7000, 110, b"\xff\xd0\xff\2\xff\xff"),
    "jpeg-scans-and-a-second-image": lambda: progressive(7000, 110, b"\xff\x01"),
    "jpeg-comments": lambda: with_segments(MANY, b"a", 0xFE),
    "jpeg-tables": lambda: progressive(64, 1, segment(0xDB, b"\0" + b"\1" * 64) * MANY),
    "tiff-tiles": lambda: in_strips(400_000, tag=324),
    "tiff-other-order": lambda: in_strips(400_000, order=">", tag=324),
    "tiff-strips": lambda: in_strips(400_000),
    "big-tiff": lambda: big_tiff_in_strips(400_000),
    "tiff-huge-tile": lambda: huge_tile(40_000),
    "tiff-greedy-strips": lambda: greedy_strips(64),
    "tiff-of-scans": lambda: scanned_tiff(110),
    "tiff-of-overlapping-jpegs": lambda: overlapping_jpegs(5_000),
    "tiff-pages": lambda: pages(MANY),
    "tiff-fractions": lambda: tiff_with_values(282, 5, 8),
    "tiff-sample-formats": lambda: tiff_with_values(339, 3, 2),
    "png-exif": lambda: small_png([(b"eXIf", exif_with_values())]),
    "webp-exif": lambda: encoded(SMALL, "WEBP", exif=b"Exif\0\0" + exif_with_values()),
    "avif-frame": lambda: avif_of(4500, 64),
    "avif-frames": lambda: avif_of(1000, 1000, 40),
    "png-chunks": lambda: small_png([(b"tEXt", b"")] * MANY),
    "png-pixels-in-chunks": lambda: split_png(MANY),
    "png-chunks-at-the-end": lambda: small_png(after=[(b"tEXt", b"")] * MANY),
    "apng-frames": lambda: small_png([(b"acTL", struct.pack(">II", MANY, 0))], [(b"fcTL", bytes(26))] * MANY),
    "png-text": lambda: small_png([(b"zTXt", b"a\0\0" + zlib.compress(bytes(30_000_000)))]),
    "png-texts": lambda: small_png([(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000)))] * 10),
    "png-profile": lambda: small_png([(b"iCCP", b"a\0\0" + zlib.compress(bytes(30_000_000)))]),
    "png-profiles": lambda: small_png([(b"iCCP", b"a\0\0" + zlib.compress(bytes(10_000_000)))] * 1000),
    "gif-frames": lambda: gif_of(frames=MANY),
    "gif-extensions": lambda: gif_of(extensions=MANY),
    "gif-blocks": lambda: gif_of(blocks=1_100_000),
    "gif-strays": lambda: gif_of(strays=1_100_000),
    "webp-frames": lambda: webp_of(MANY),
    "bmp-runs": lambda: rle_bmp(b"\0\0" * 5_000_000),
}
UNSUPPORTED = {
    "ico": b"\0\0\1\0" + struct.pack("<H", 0xFFFF) + bytes(16 * 0xFFFF),
    "icns": b"icns" + struct.pack(">I", 8 + 8 * 1_000_000) + b"ic07\0\0\0\x08" * 1_000_000,
    "jpeg2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(1_000_000),
    "jpeg2000-codestream": b"\xff\x4f\xff\x51" + bytes(1_000_000),
    "jpeg-xl": b"\xff\x0a" + bytes(1000),
    "psd": b"8BPS" + bytes(1000),
    "pdf": b"%PDF-1.7\n" + bytes(1000),
    "animated-avif": b"\0\0\0\x1cftypavis\0\0\0\0avis" + bytes(1000),
}


def decision_on(body):
    return validate(body, hashlib.sha256(body).hexdigest(), FetchOptions())


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_rejected_in_bounded_time(name):
    body = BOMBS[name]()
    start = time.process_time()
    assert decision_on(body).error is ErrorClass.TOO_COMPLEX
    assert time.process_time() - start < MOST_S


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_rejected_in_bounded_memory(name, tmp_path):
    """The limit is on what decoding takes besides what the imports do."""
    script = (
        "import hashlib, pathlib, resource, sys\n"
        "from parley.dataset.fetch.options import FetchOptions\n"
        "from parley.dataset.fetch.validate import validate\n"
        "body = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "used = int(pathlib.Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20), -1))\n"
        "print(validate(body, hashlib.sha256(body).hexdigest(), FetchOptions()).error)\n"
    )
    (tmp_path / "bomb").write_bytes(BOMBS[name]())
    command = [sys.executable, "-c", script, str(tmp_path / "bomb")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "too_complex\n"


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_formats_that_are_not_read_are_named_without_opening_them(name):
    assert decision_on(UNSUPPORTED[name]).error is ErrorClass.UNSUPPORTED


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1"])
def test_heic_is_named(brand):
    assert decision_on(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(1000)).error is ErrorClass.HEIC


@pytest.mark.parametrize(
    "body",
    [
        b"",
        encoded(NOISE, "JPEG", quality=95),
        encoded(NOISE, "JPEG", progressive=True),
        progressive(200, 500),
        encoded(NOISE) + BOMBS["jpeg-scans"](),
        encoded(NOISE, "JPEG") + progressive(7000, 110)[2:],
        encoded(NOISE),
        encoded(NOISE, "TIFF"),
        encoded(NOISE, "TIFF", tiffinfo={278: 1}),
        encoded(NOISE, "TIFF", compression="jpeg"),
        encoded(SMALL, "TIFF", compression="tiff_deflate"),
        with_segments(100),
        with_segments(30_000, b"http://ns.adobe.com/"),
        in_strips(150_000, tag=324),
        big_tiff_in_strips(150_000),
        pages(1000),
        huge_tile(4096),
        tiff_with_values(50_000, 5, 8),
        tiff_with_values(320, 3, 2, 3 * 65_536),
        gif_of(frames=10_000),
        gif_of(strays=100_000),
        webp_of(1000),
        b"II*\0" + bytes(400_000),
        b"MM\0*\xff\xff\xff\xff" + bytes(400_000),
        b"II+\0" + b"\xff" * 400_000,
        *(start + bytes(100) for start in (b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF", b"II", b"MM")),
        *(encoded(SMALL, kind)[:200] for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")),
    ],
)
def test_other_files_are_not_bombs(body):
    check_work(body)


def test_a_chain_of_pages_that_leads_back_ends():
    body = bytearray(tiff(64, 64, [8], MIN_IS_BLACK, bytes(4096)))
    (entries,) = struct.unpack_from("<H", body, 8)
    struct.pack_into("<I", body, 8 + 2 + 12 * entries, 8)
    check_work(bytes(body))


@pytest.mark.parametrize("size", [(64, 64), (100, 77), (3000, 2000)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_avif_is_not_a_bomb(mode, size):
    image = Image.linear_gradient("L").resize(size)
    image = Image.merge("RGBA", [image] * 4) if mode == "RGBA" else image.convert(mode)
    body = encoded(image, "AVIF", speed=10)
    area = size[0] * size[1]
    assert avif_pixels(body) == (area, area * (2 if mode == "RGBA" else 1))
    assert decision_on(body)[:2] == (None, "avif")


LONG = b"<x:xmpmeta/>" + b" " * 3_000_000
"""Metadata of three megabytes, as photo editors write into images."""


def in_jpeg_segments(marker, head, content, most=65_000):
    pieces = [content[at : at + most] for at in range(0, len(content), most)]
    numbered = head == b"ICC_PROFILE\0"
    return b"".join(
        segment(marker, head + (bytes([number, len(pieces)]) if numbered else b"") + piece)
        for number, piece in enumerate(pieces, 1)
    )


def jpeg_with(segments):
    whole = encoded(SMALL, "JPEG")
    return whole[:2] + segments + whole[2:]


@pytest.mark.parametrize(
    "body",
    {
        "jpeg-exif": jpeg_with(in_jpeg_segments(0xE1, b"Exif\0\0", b"II*\0\x08\0\0\0\0\0" + LONG)),
        "jpeg-profile": jpeg_with(in_jpeg_segments(0xE2, b"ICC_PROFILE\0", LONG)),
        "jpeg-xmp": jpeg_with(in_jpeg_segments(0xE1, b"http://ns.adobe.com/xmp/extension/\0", LONG)),
        "jpeg-photoshop": jpeg_with(in_jpeg_segments(0xED, b"Photoshop 3.0\0", LONG)),
        "png-text": small_png([(b"tEXt", b"XML:com.adobe.xmp\0" + LONG)]),
        "png-packed-text": small_png([(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LONG))]),
        "png-profile": small_png([(b"iCCP", b"a\0\0" + zlib.compress(LONG))]),
        "png-exif": small_png([(b"eXIf", b"II*\0\x08\0\0\0\0\0" + LONG)]),
        "webp": encoded(SMALL, "WEBP", xmp=LONG, icc_profile=LONG, exif=b"II*\0\x08\0\0\0\0\0" + LONG),
        "tiff": encoded(SMALL, "TIFF", tiffinfo={700: LONG, 34675: LONG}),
        "gif": encoded(SMALL, "GIF", comment=LONG[:2_000_000]),
        "avif": encoded(SMALL, "AVIF", xmp=LONG, icc_profile=LONG),
    }.items(),
    ids=lambda one: one[0],
)
def test_metadata_over_a_megabyte_do_no_harm(body):
    assert decision_on(body[1]).error is None
