import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from parley.features.options import Transform
from parley.features.preprocessing import UnreadableImageError, pixels_of, to_rgb

HALF = (0.5, 0.5, 0.5)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width, height):
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 130),
    st.integers(1, 130),
    st.sampled_from([(40, 40), (41, 40), (64, 41), (33, 17)]),
    st.sampled_from(["bilinear", "bicubic"]),
)
def test_equal_to_torchvisions_resize_and_crop(width, height, sizes, interpolation):
    if max(width, height) > 20 * min(width, height):
        width = height
    resize_px, crop_px = sizes
    ours = pixels_of(encoded(noise(width, height)), Transform(resize_px, crop_px, HALF, HALF, interpolation))
    theirs = transforms.Compose(
        [
            transforms.Resize(resize_px, transforms.InterpolationMode(interpolation)),
            transforms.CenterCrop(crop_px),
            transforms.PILToTensor(),
        ]
    )(noise(width, height))
    assert torch.equal(torch.from_numpy(ours).permute(2, 0, 1), theirs)


def test_a_thin_strip_costs_no_memory():
    strip = np.zeros((2, 60_000, 3), np.uint8)
    strip[:, 29_900:30_100] = 255
    pixels = pixels_of(encoded(Image.fromarray(strip)), Transform(64, 64, HALF, HALF))
    assert pixels.shape == (64, 64, 3)
    assert pixels.min() == 255  # the middle of the strip


def quarters():
    """Red and green above, blue and white below."""
    image = Image.new("RGB", (16, 8), RED)
    image.paste(GREEN, (8, 0, 16, 4))
    image.paste(BLUE, (0, 4, 8, 8))
    image.paste(WHITE, (8, 4, 16, 8))
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_by_exif(orientation):
    # What a camera stores so that a viewer who obeys the orientation sees `quarters`.
    stored = {
        1: lambda image: image,
        2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda image: image.rotate(180),
        4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
        6: lambda image: image.rotate(90, expand=True),
        7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        8: lambda image: image.rotate(-90, expand=True),
    }[orientation](quarters())
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(io.BytesIO(encoded(stored, "PNG", exif=exif))) as image:
        assert np.array_equal(np.asarray(to_rgb(image)), np.asarray(quarters()))


def test_damaged_exif_leaves_the_image_as_it_is():
    content = encoded(quarters(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff nonsense", quality=95)
    assert pixels_of(content, Transform(8, 8, HALF, HALF)).shape == (8, 8, 3)


def pixel(image):
    return to_rgb(image).getpixel((0, 0))


def test_transparency_is_laid_on_white():
    assert pixel(Image.new("RGBA", (2, 2), (*RED, 0))) == WHITE
    assert pixel(Image.new("RGBA", (2, 2), (0, 0, 0, 51))) == (204, 204, 204)
    assert pixel(Image.new("LA", (2, 2), (0, 0))) == WHITE
    palette = quarters().quantize(4)
    index = palette.getpixel((0, 0))
    with Image.open(io.BytesIO(encoded(palette, transparency=index))) as image:
        assert to_rgb(image).getpixel((0, 0)) == WHITE
        assert to_rgb(image).getpixel((15, 0)) == GREEN


def test_sixteen_bits_are_scaled_and_not_clipped():
    ramp = np.array([[0, 257, 32896, 65535]], np.uint16)
    expected = [0, 1, 128, 255]
    for content in (encoded(Image.fromarray(ramp)), encoded(Image.fromarray(ramp), "TIFF")):
        with Image.open(io.BytesIO(content)) as image:
            assert image.mode.startswith("I")
            assert np.asarray(to_rgb(image))[0, :, 1].tolist() == expected
    for values in (ramp.astype(np.int32), ramp.astype(np.float32)):
        assert np.asarray(to_rgb(Image.fromarray(values)))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "RGB"])
def test_other_modes_become_rgb(mode):
    converted = Image.new("RGB", (4, 4), WHITE).convert(mode)
    assert to_rgb(converted).mode == "RGB"
    assert pixel(converted) == WHITE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not found</html>",
        encoded(noise(64, 64), "JPEG")[:700],
        encoded(noise(64, 64))[:3000],
        encoded(noise(8, 8), "PPM"),
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    ],
)
def test_unreadable_bytes_have_a_reason(content):
    with pytest.raises(UnreadableImageError) as caught:
        pixels_of(content, Transform(8, 8, HALF, HALF))
    assert str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=40))
def test_bytes_damaged_anywhere_give_pixels_or_a_reason(place, damage):
    content = bytearray(encoded(noise(24, 24), "JPEG"))
    place %= len(content)
    content[place : place + len(damage)] = damage
    try:
        assert pixels_of(bytes(content), Transform(8, 8, HALF, HALF)).shape == (8, 8, 3)
    except UnreadableImageError as error:
        assert str(error)  # noqa: PT017
