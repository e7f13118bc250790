import hashlib
import io
import zlib
from dataclasses import replace

import pytest
from PIL import Image

from parley.fetch.judge import FORMATS, SUFFIXES, judge, judged
from parley.fetch.options import FetchOptions
from parley.fetch.outcomes import Answer, ErrorClass

OPTIONS = FetchOptions(min_side=20, max_pixels=1_000_000)


def image_bytes(format_name="JPEG", size=(60, 40), mode="RGB", **options):
    out = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert(mode).save(out, format_name, **options)
    return out.getvalue()


def verdict_on(body, options=OPTIONS):
    return judge(body, hashlib.sha256(body).hexdigest(), options)


@pytest.mark.parametrize("format_name", FORMATS)
def test_each_format_is_known_by_its_bytes(format_name):
    assert verdict_on(image_bytes(format_name)) == (None, SUFFIXES[format_name], 60, 40)


@pytest.mark.parametrize(("format_name", "mode"), [("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "P"), ("PNG", "I;16")])
def test_unusual_modes_are_images(format_name, mode):
    assert verdict_on(image_bytes(format_name, mode=mode)).error is None


def test_size_is_as_stored_whatever_exif_asks_for():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    assert verdict_on(image_bytes(exif=exif))[2:] == (60, 40)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", ErrorClass.EMPTY),
        (b"<html><body>gone</body></html>", ErrorClass.HTML),
        (b"\xef\xbb\xbf\r\n  <!doctype html>", ErrorClass.HTML),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", ErrorClass.HTML),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ErrorClass.HTML),
        (b"Not found", ErrorClass.UNDECODABLE),
        (bytes(5000), ErrorClass.UNDECODABLE),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", ErrorClass.UNDECODABLE),
        (image_bytes(size=(60, 19)), ErrorClass.TOO_SMALL),
        (image_bytes("PNG", size=(1, 1)), ErrorClass.TOO_SMALL),
        (image_bytes("GIF", size=(1001, 1000)), ErrorClass.BOMB),
    ],
)
def test_what_is_no_image_to_use_is_called_by_its_name(body, error):
    assert verdict_on(body).error is error


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_image_that_ends_early_is_never_taken(format_name, share):
    whole = image_bytes(format_name, size=(300, 300))
    assert verdict_on(whole[: int(len(whole) * share)]).error in (ErrorClass.TRUNCATED, ErrorClass.UNDECODABLE)


def test_a_truncated_jpeg_is_called_truncated():
    whole = image_bytes(size=(300, 300))
    assert verdict_on(whole[: len(whole) // 2]) == (ErrorClass.TRUNCATED, "", None, None)


def test_a_header_alone_is_trusted_only_when_asked_to():
    whole = image_bytes(size=(300, 300))
    assert verdict_on(whole[: len(whole) // 2], replace(OPTIONS, verify="header")).error is None


def test_a_bomb_beyond_pillows_own_limit_is_a_bomb():
    png = bytearray(image_bytes("PNG"))
    png[16:24] = (60_000).to_bytes(4, "big") * 2
    png[29:33] = (zlib.crc32(bytes(png[12:29]))).to_bytes(4, "big")
    assert verdict_on(bytes(png)).error is ErrorClass.BOMB


def test_flickrs_placeholder_is_known_by_its_shape_and_others_by_their_hash():
    png = image_bytes("PNG")
    filling = 2051 - len(png) - 12
    text = b"tEXt" + b"c\0" + b"x" * (filling - 2)
    chunk = filling.to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    padded = png[:-12] + chunk + png[-12:]
    assert len(padded) == 2051
    assert verdict_on(padded).error is ErrorClass.PLACEHOLDER
    photo = image_bytes()
    assert verdict_on(photo).error is None
    known = replace(OPTIONS, placeholder_sha256=(hashlib.sha256(photo).hexdigest(),))
    assert verdict_on(photo, known).error is ErrorClass.PLACEHOLDER


def test_a_photo_of_2051_bytes_is_a_photo():
    photo = image_bytes()
    comment = 2051 - len(photo) - 4
    padded = photo[:2] + b"\xff\xfe" + (comment + 2).to_bytes(2, "big") + b"x" * comment + photo[2:]
    assert len(padded) == 2051
    assert verdict_on(padded).error is None


def test_a_failed_answer_keeps_its_class_and_has_no_bytes():
    row = judged(Answer("u", error=ErrorClass.NOT_FOUND, http_status=404, attempts=1), "k", OPTIONS)
    assert row.manifest_row() == ("u", "k", "failed", "not_found", 404, None, "", None, None, 1, "0.000")


def test_a_rejected_image_keeps_size_and_hash():
    body = image_bytes(size=(60, 10))
    row = judged(Answer("u", body=body, http_status=200), "k", OPTIONS)
    digest = hashlib.sha256(body).hexdigest()
    assert row.manifest_row() == ("u", "k", "failed", "too_small", 200, len(body), digest, 60, 10, 1, "0.000")
