import hashlib
import struct

import numpy as np
import pytest
from made_images import MIN_IS_BLACK, encoded, segment, tiff
from PIL import Image

from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.fetch.validate import is_decoder_bomb, validate

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (500, 700, 3), np.uint8))


def with_segments(number, content=b"Exif\0\0II"):
    jpeg = encoded(NOISE, "JPEG", quality=95)
    return jpeg[:2] + segment(0xE1, content) * number + jpeg[2:]


def in_strips(number, order="<", tag=273):
    """A TIFF with the given number of strips (or tiles), all at the same offset."""
    return tiff(64, 64, [8], MIN_IS_BLACK, bytes(4096), [(tag, 3, [500] * number)], order)


def big_tiff_in_strips(number):
    entry = struct.pack("<HHQQ", 273, 3, number, 36 + 8)
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 1) + entry + bytes(8) + bytes(2 * number)


@pytest.mark.parametrize(
    "body",
    [
        with_segments(30_000),
        in_strips(400_000, tag=324),
        in_strips(400_000, order=">", tag=324),
        big_tiff_in_strips(400_000),
    ],
    ids=["exif", "tiff", "tiff-other-order", "big-tiff"],
)
def test_decoder_bombs_are_rejected_without_opening_them(body):
    assert is_decoder_bomb(body)
    assert validate(body, hashlib.sha256(body).hexdigest(), FetchOptions()).error is ErrorClass.UNDECODABLE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        encoded(NOISE, "JPEG", quality=95),
        encoded(NOISE),
        encoded(NOISE, "TIFF"),
        encoded(NOISE, "TIFF", tiffinfo={278: 1}),
        with_segments(100),
        with_segments(30_000, b"http://ns.adobe.com/"),
        in_strips(150_000, tag=324),
        big_tiff_in_strips(150_000),
        b"II*\0" + bytes(400_000),
        b"MM\0*\xff\xff\xff\xff" + bytes(400_000),
        b"II+\0" + b"\xff" * 400_000,
    ],
)
def test_other_large_files_are_not_decoder_bombs(body):
    assert not is_decoder_bomb(body)
