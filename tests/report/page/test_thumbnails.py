import io
import tarfile

import pytest
from made_images import RGB, RGB_ALPHA, animation, encoded, flat_png, four_layer_jpeg
from PIL import Image

from parley.core.errors import ParleyError
from parley.report.page.inline import SIDE_PX, read_thumbnails


def thumbnail(tmp_path, content):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        header = tarfile.TarInfo("key.bin")
        header.size = len(content)
        tar.addfile(header, io.BytesIO(content))
    with Image.open(io.BytesIO(read_thumbnails([tmp_path / "a.tar"], ["key"])["key"])) as image:
        return image.convert("RGB")


@pytest.mark.parametrize(
    ("content", "colour"),
    [
        (flat_png(16, RGB, (65535, 0, 0), side=9), (255, 0, 0)),
        (flat_png(8, RGB_ALPHA, (0, 0, 0, 0), side=9), (255, 255, 255)),
        (four_layer_jpeg([255, 0, 0, 255], transform=0), (255, 0, 0)),
        (animation("GIF", 3, side=9), (255, 0, 0)),
    ],
    ids=["sixteen-bit", "transparent", "inks", "animated"],
)
def test_unusual_images_are_shown_as_they_ought_to_look(tmp_path, content, colour):
    seen = thumbnail(tmp_path, content).getpixel((4, 4))
    assert all(abs(one - other) <= 3 for one, other in zip(seen, colour, strict=True))


def test_a_picture_is_shown_upright_and_small(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.new("RGB", (900, 300), (255, 0, 0))
    lying.paste((0, 0, 255), (450, 0, 900, 300))
    shown = thumbnail(tmp_path, encoded(lying, "JPEG", exif=exif))
    assert shown.height == SIDE_PX
    assert shown.width == pytest.approx(SIDE_PX / 3, abs=1)
    red, _, blue = shown.getpixel((shown.width // 2, 10))
    assert red > 200 > 50 > blue  # what was left is above


def test_other_formats_and_damage_are_reported(tmp_path):
    for content in (encoded(Image.new("RGB", (9, 9)), "PPM"), flat_png(8, RGB, (1, 2, 3), side=99)[:60]):
        with pytest.raises(ParleyError, match="cannot be shown"):
            thumbnail(tmp_path, content)


def test_a_thumbnail_is_as_small_as_asked(tmp_path):
    noise = Image.effect_noise((300, 200), 90).convert("RGB")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        content = encoded(noise)
        header = tarfile.TarInfo("key.png")
        header.size = len(content)
        tar.addfile(header, io.BytesIO(content))
    at_ease = read_thumbnails([tmp_path / "a.tar"], ["key"], 96)["key"]
    pressed = read_thumbnails([tmp_path / "a.tar"], ["key"], 96, 1500)["key"]
    assert len(pressed) <= 1500 < len(at_ease)
    for jpeg in (at_ease, pressed):
        with Image.open(io.BytesIO(jpeg)) as image:
            assert image.size == (96, 64)
