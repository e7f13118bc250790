import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_images import RGB, RGB_ALPHA, TIFF_INKS, animation, encoded, flat_png, four_layer_jpeg, tiff
from PIL import Image
from torchvision import transforms

from parley.features.options import Transform
from parley.features.preprocessing import UnreadableImageError, pixels_of

HALF = (0.5, 0.5, 0.5)


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


def test_a_thin_strip_needs_little_memory():
    strip = np.zeros((2, 60_000, 3), np.uint8)
    strip[:, 29_900:30_100] = 255
    pixels = pixels_of(encoded(Image.fromarray(strip)), Transform(64, 64, HALF, HALF))
    assert pixels.shape == (64, 64, 3)
    assert pixels.min() == 255  # the middle of the strip


@pytest.mark.parametrize(
    "content",
    [
        animation("GIF", 3),
        four_layer_jpeg([255, 0, 0, 255], transform=0),
        tiff(8, 8, [8] * 4, TIFF_INKS, b"\0\xff\xff\0" * 64),
        flat_png(16, RGB, (65535, 0, 0), side=8),
        flat_png(8, RGB_ALPHA, (255, 0, 0, 255), side=8),
        flat_png(8, RGB, (255, 0, 0), side=8, before=[(b"tRNS", bytes(6))]),
    ],
    ids=["animated", "inks", "inks-tiff", "sixteen-bit", "alpha", "transparent-colour"],
)
def test_an_unusual_image_gives_the_pixels_of_a_usual_one(content):
    red = pixels_of(encoded(Image.new("RGB", (8, 8), (255, 0, 0))), Transform(8, 8, HALF, HALF))
    assert np.array_equal(pixels_of(content, Transform(8, 8, HALF, HALF)), red)


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
