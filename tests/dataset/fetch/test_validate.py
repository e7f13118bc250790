import hashlib
import io
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_images import (
    GRAY_ALPHA,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    RGB,
    RGB_ALPHA,
    TIFF_INKS,
    TIFF_RGB,
    animation,
    encoded,
    flat_png,
    four_layer_jpeg,
    tiff,
)
from PIL import Image

from parley.dataset.fetch.options import REFUSABLE, VERIFY, FetchOptions
from parley.dataset.fetch.outcomes import Answer, ErrorClass
from parley.dataset.fetch.validate import fetch_result, validate
from parley.dataset.image_formats import SUFFIXES
from parley.dataset.image_signatures import FORMATS
from parley.features.options import Transform
from parley.features.preprocessing import pixels_of

OPTIONS = FetchOptions(min_side=20, max_pixels=1_000_000)


def image_bytes(format_name="JPEG", size=(60, 40), mode="RGB", **options):
    out = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert(mode).save(out, format_name, **options)
    return out.getvalue()


def decision_on(body, options=OPTIONS):
    return validate(body, hashlib.sha256(body).hexdigest(), options)


@pytest.mark.parametrize("format_name", FORMATS)
def test_formats_are_recognised_by_their_bytes(format_name):
    assert decision_on(image_bytes(format_name)) == (None, SUFFIXES[format_name], 60, 40, False)


@pytest.mark.parametrize(("format_name", "mode"), [("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "P"), ("PNG", "I;16")])
def test_unusual_modes_are_images(format_name, mode):
    assert decision_on(image_bytes(format_name, mode=mode)).error is None


def gray(highest, dtype, kind="TIFF"):
    return encoded(Image.fromarray(np.linspace(0, highest, 1600).reshape(40, 40).astype(dtype)), kind)


def deep_png(colour_type, *samples):
    return flat_png(16, colour_type, samples, side=40)


@pytest.mark.parametrize(
    ("body", "is_faint"),
    [
        (gray(255, np.uint16, "PNG"), True),
        (gray(255, np.uint16), True),
        (gray(1023, np.uint16), True),
        (gray(4095, np.uint16), True),
        (gray(255, np.int32), True),
        (deep_png(RGB, 200, 100, 255), True),
        (deep_png(RGB, 4095, 4000, 0), True),
        (deep_png(RGB_ALPHA, 200, 100, 255, 65535), True),
        (deep_png(RGB_ALPHA, 200, 100, 255, 0), True),
        (deep_png(GRAY_ALPHA, 255, 65535), True),
        (tiff(40, 40, [16] * 3, TIFF_RGB, bytes([200, 0]) * 4800), True),
        (tiff(40, 40, [16], MIN_IS_WHITE, bytes([200, 0]) * 1600), True),
        (tiff(40, 40, [12], MIN_IS_BLACK, bytes([0x0F, 0xF0, 0xFF]) * 800), True),
        (gray(65535, np.uint16), False),
        (gray(20_000, np.uint16, "PNG"), False),
        (gray(100_000, np.int32), False),  # These are scaled by their own range.
        (gray(-255, np.int32), False),
        (gray(255, np.float32), False),
        (gray(1, np.float32), False),
        (gray(float("nan"), np.float32), False),
        (gray(255, np.uint8), False),
        (gray(9, np.uint8), False),
        (deep_png(RGB, 200, 100, 20_000), False),
        (deep_png(RGB_ALPHA, 200, 20_000, 255, 0), False),
        (tiff(40, 40, [16] * 4, TIFF_INKS, bytes([200, 0]) * 6400), False),
        (tiff(40, 40, [12], MIN_IS_BLACK, bytes([0xFF, 0xF0, 0xFF]) * 800), False),
    ],
)
def test_faint_images_of_more_than_8_bits_are_marked(body, is_faint):
    assert decision_on(body)[::4] == (None, is_faint)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_size_is_as_stored_whatever_exif_asks_for(orientation):
    for kind in ("JPEG", "PNG", "WEBP"):
        assert decision_on(turned(kind, orientation))[2:4] == (60, 40)
    assert decision_on(image_bytes("TIFF", tiffinfo={0x0112: orientation}))[2:4] == (60, 40)


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
def test_unusable_bytes_have_an_error_class(body, error):
    assert decision_on(body).error is error


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_incomplete_images_are_rejected(format_name, share):
    whole = image_bytes(format_name, size=(300, 300))
    assert decision_on(whole[: int(len(whole) * share)]).error in (ErrorClass.TRUNCATED, ErrorClass.UNDECODABLE)


def test_a_truncated_jpeg_is_called_truncated():
    whole = image_bytes(size=(300, 300))
    assert decision_on(whole[: len(whole) // 2]) == (ErrorClass.TRUNCATED, "", None, None, False)


def test_an_incomplete_image_passes_only_with_verify_header():
    whole = image_bytes(size=(300, 300))
    assert decision_on(whole[: len(whole) // 2], replace(OPTIONS, verify="header")).error is None


def test_a_bomb_beyond_pillows_own_limit_is_a_bomb():
    png = bytearray(image_bytes("PNG"))
    png[16:24] = (60_000).to_bytes(4, "big") * 2
    png[29:33] = (zlib.crc32(bytes(png[12:29]))).to_bytes(4, "big")
    assert decision_on(bytes(png)).error is ErrorClass.BOMB


def test_flickrs_placeholder_is_recognised_by_shape_and_others_by_hash():
    png = image_bytes("PNG")
    filling = 2051 - len(png) - 12
    text = b"tEXt" + b"c\0" + b"x" * (filling - 2)
    chunk = filling.to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    padded = png[:-12] + chunk + png[-12:]
    assert len(padded) == 2051
    assert decision_on(padded).error is ErrorClass.PLACEHOLDER
    photo = image_bytes()
    assert decision_on(photo).error is None
    known = replace(OPTIONS, placeholder_sha256=(hashlib.sha256(photo).hexdigest(),))
    assert decision_on(photo, known).error is ErrorClass.PLACEHOLDER


def test_a_photo_of_2051_bytes_is_a_photo():
    photo = image_bytes()
    comment = 2051 - len(photo) - 4
    padded = photo[:2] + b"\xff\xfe" + (comment + 2).to_bytes(2, "big") + b"x" * comment + photo[2:]
    assert len(padded) == 2051
    assert decision_on(padded).error is None


def test_a_failed_answer_keeps_its_class_and_has_no_bytes():
    row = fetch_result(Answer("u", error=ErrorClass.NOT_FOUND, http_status=404, attempts=1), "k", OPTIONS)
    assert row.manifest_row() == ("u", "k", "failed", "not_found", 404, None, "", None, None, 1, "0.000")


def test_a_rejected_image_keeps_size_and_hash():
    body = image_bytes(size=(60, 10))
    row = fetch_result(Answer("u", body=body, http_status=200), "k", OPTIONS)
    digest = hashlib.sha256(body).hexdigest()
    assert row.manifest_row() == ("u", "k", "failed", "too_small", 200, len(body), digest, 60, 10, 1, "0.000")


def turned(kind="JPEG", orientation=6):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return image_bytes(kind, exif=exif)


UNUSUAL = {
    "animated": [animation(kind, 2, side=30) for kind in ("GIF", "WEBP", "PNG", "TIFF")],
    "cmyk": [image_bytes(mode="CMYK"), image_bytes("TIFF", mode="CMYK")],
    "sixteen_bit": [flat_png(16, RGB, (1, 2, 3), side=30), image_bytes("PNG", mode="I;16")],
    "transparent": [
        flat_png(8, RGB_ALPHA, (1, 2, 3, 4), side=30),
        encoded(Image.new("P", (30, 30)), "GIF", transparency=0),
    ],
    "rotated": [turned(), turned("PNG"), turned("WEBP")],
}


@pytest.mark.parametrize("verify", VERIFY)
@pytest.mark.parametrize(("kind", "body"), [(kind, body) for kind in UNUSUAL for body in UNUSUAL[kind]])
def test_a_kind_of_image_is_refused_only_if_listed(kind, body, verify):
    options = replace(OPTIONS, verify=verify)
    refused = decision_on(body, replace(options, refuse=REFUSABLE))
    assert refused.error is ErrorClass(kind)
    others = replace(options, refuse=tuple(other for other in REFUSABLE if other != kind))
    taken = decision_on(body, others)
    assert taken[:4] == refused._replace(error=None)[:4]
    assert None not in (taken.width, taken.height)


def test_only_animated_images_are_refused_by_default():
    assert FetchOptions().refuse == ("animated",)
    for kind, bodies in UNUSUAL.items():
        for body in bodies:
            assert decision_on(body).error == (ErrorClass.ANIMATED if kind == "animated" else None)


def test_a_multi_picture_jpeg_is_accepted():
    assert decision_on(animation("MPO", 3, side=30), replace(OPTIONS, refuse=REFUSABLE)) == (None, "jpg", 30, 30, False)


def test_the_first_listed_kind_decides_the_error_class():
    body = tiff(20, 20, [16] * 4, TIFF_INKS, bytes(8 * 400), [(0x0112, 3, [6])])
    for refuse, error in (
        (REFUSABLE[::-1], ErrorClass.CMYK),
        (("rotated", "sixteen_bit"), ErrorClass.SIXTEEN_BIT),
        (("transparent", "rotated"), ErrorClass.ROTATED),
        (("transparent",), None),
    ):
        assert decision_on(body, replace(OPTIONS, refuse=refuse)).error is error


def test_a_png_with_its_orientation_after_the_pixels_is_refused_as_rotated():
    exif = Image.Exif()
    exif[0x0112] = 8
    body = flat_png(8, RGB, (1, 2, 3), side=30, after=[(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))])
    options = replace(OPTIONS, refuse=("rotated",))
    assert decision_on(body, options).error is ErrorClass.ROTATED
    assert decision_on(body, replace(options, verify="header")).error is None


def test_size_comes_before_kind():
    options = replace(OPTIONS, refuse=REFUSABLE)
    assert decision_on(animation("GIF", 2, side=19), options).error is ErrorClass.TOO_SMALL
    assert decision_on(image_bytes(mode="CMYK", size=(1001, 1000)), options).error is ErrorClass.BOMB


def test_exclusion_takes_precedence_over_other_errors():
    for body in (image_bytes(), b"<html>", b"no image", animation("GIF")):
        digest = hashlib.sha256(body).hexdigest()
        options = replace(OPTIONS, excluded=frozenset({digest}), placeholder_sha256=(digest,))
        assert decision_on(body, options) == (ErrorClass.EXCLUDED, "", None, None, False)
    assert decision_on(b"", replace(OPTIONS, excluded=frozenset({hashlib.sha256(b"").hexdigest()}))).error == "empty"
    assert decision_on(image_bytes(), replace(OPTIONS, excluded=frozenset({"0" * 64}))).error is None


def test_a_png_with_a_compression_bomb_in_its_text_is_too_complex():
    swollen = b"a\0\0" + zlib.compress(bytes(20_000_000))
    for name in (b"zTXt", b"iCCP"):
        assert decision_on(flat_png(8, RGB, (1, 2, 3), side=30, before=[(name, swollen)])).error == "too_complex"


SEEDS = [
    turned(),
    turned("PNG"),
    turned("WEBP"),
    encoded(Image.new("P", (24, 24)), "GIF", transparency=0),
    image_bytes("BMP"),
    animation("PNG", 2, side=24),
    animation("GIF", 3, side=24),
    animation("MPO", 2, side=24),
    flat_png(16, GRAY_ALPHA, (1, 2), side=24),
    four_layer_jpeg([1, 2, 3, 4], transform=2),
    tiff(20, 20, [16] * 4, TIFF_INKS, bytes(8 * 400), [(0x0112, 3, [6])]),
    encoded(Image.radial_gradient("L").resize((24, 24)), "TIFF", compression="tiff_deflate"),
    tiff(24, 24, [12], MIN_IS_BLACK, bytes(24 * 36)),
]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=8)), max_size=4),
    st.sampled_from(VERIFY),
    st.sampled_from([(), REFUSABLE]),
)
def test_damaged_bytes_get_a_decision_and_accepted_images_can_be_used(body, damages, verify, refuse):
    damaged = bytearray(body)
    for place, damage in damages:
        place %= len(damaged)
        damaged[place : place + len(damage)] = damage
    decision = decision_on(bytes(damaged), replace(OPTIONS, min_side=8, verify=verify, refuse=refuse))
    if decision.error is None and verify == "decode":
        half = (0.5, 0.5, 0.5)
        assert pixels_of(bytes(damaged), Transform(8, 8, half, half)).shape == (8, 8, 3)
