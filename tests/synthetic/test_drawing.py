"""Images depend only on the arguments, vary within a class, and show the attributes."""

import dataclasses
import hashlib
import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest
from PIL import Image

from parley.core.errors import ParleyError
from parley.synthetic.attributes import ATTRIBUTES, CREATURES, DRAWING, Creature
from parley.synthetic.build import png_bytes
from parley.synthetic.drawing import draw

SIZE = 48


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(float)


def test_the_same_arguments_give_the_same_bytes_in_another_process() -> None:
    program = (
        "import sys; from parley.synthetic.attributes import CREATURES; from parley.synthetic.build import png_bytes;"
        "sys.stdout.buffer.write(png_bytes(CREATURES[3], 5, 7, 112))"
    )
    environment = {"PYTHONHASHSEED": "12345", "PYTHONPATH": ":".join(sys.path)}
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment)
    assert other.stdout == png_bytes(CREATURES[3], 5, 7, 112)


def test_an_image_does_not_depend_on_earlier_images() -> None:
    alone = png_bytes(CREATURES[0], 4, 1, SIZE)
    for index in range(4):
        png_bytes(CREATURES[0], index, 1, SIZE)
    assert png_bytes(CREATURES[0], 4, 1, SIZE) == alone


def test_another_seed_index_or_creature_gives_another_picture() -> None:
    pictures = [
        png_bytes(creature, index, seed, SIZE) for creature in CREATURES[:3] for index in range(3) for seed in range(3)
    ]
    assert len(set(pictures)) == 27


@pytest.mark.parametrize("size_px", [16, 112, 200])
def test_a_picture_has_the_size_asked_for(size_px: int) -> None:
    picture = draw(CREATURES[0], 0, 0, size_px)
    assert (picture.mode, picture.size) == ("RGB", (size_px, size_px))


def test_the_same_picture_is_drawn_at_any_size() -> None:
    small, large = draw(CREATURES[0], 0, 0, 64), draw(CREATURES[0], 0, 0, 128)
    assert np.abs(pixels(small) - pixels(large.reduce(2))).mean() < 8
    assert np.abs(pixels(small) - pixels(draw(CREATURES[0], 1, 0, 64))).mean() > 16


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(ParleyError, match="cannot be drawn at 15 pixels; ask for 16 or more"):
        draw(CREATURES[0], 0, 0, 15)


@pytest.mark.parametrize("creature", CREATURES, ids=[creature.name for creature in CREATURES])
def test_images_of_one_class_differ(creature: Creature) -> None:
    """Any two differ by more than 12 of 255 a channel on average; grain alone makes about 3."""
    pictures = [pixels(draw(creature, index, 0, SIZE)) for index in range(8)]
    assert min(np.abs(one - other).mean() for one, other in combinations(pictures, 2)) > 12
    assert np.mean([np.abs(one - other).mean() for one, other in combinations(pictures, 2)]) > 20


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_each_value_of_an_attribute_shows(attribute: str) -> None:
    """One creature in one pose before one scene: changing a value changes the picture, not the scene."""
    variants = [dataclasses.replace(CREATURES[0], **{attribute: value}) for value in ATTRIBUTES[attribute]]
    for one, other in pairwise(variants):
        change = np.abs(pixels(draw(one, 0, 0, SIZE)) - pixels(draw(other, 0, 0, SIZE))).max(axis=2)
        assert 0.005 < (change > 30).mean() < 0.5
        assert change[0, 0] == change[0, -1] == 0


def test_sizes_do_not_overlap() -> None:
    """A creature of the next size covers more than one of this size ever does."""
    shown = {}
    for size in ATTRIBUTES["size"]:
        plain = dataclasses.replace(CREATURES[0], size=size, colour="red")
        shown[size] = [red_pixels(draw(plain, index, 0, 96)) for index in range(12)]
    assert max(shown["tiny"]) < min(shown["medium"])
    assert max(shown["medium"]) < min(shown["huge"])


def red_pixels(picture: Image.Image) -> int:
    values = pixels(picture)
    return int(((values[..., 0] > values[..., 1] + 90) & (values[..., 0] > values[..., 2] + 90)).sum())


def test_creatures_face_both_ways_and_vary_in_position() -> None:
    middles = []
    for index in range(20):
        values = pixels(draw(dataclasses.replace(CREATURES[0], colour="red"), index, 0, 96))
        red = (values[..., 0] > values[..., 1] + 90) & (values[..., 0] > values[..., 2] + 90)
        middles.append(np.argwhere(red).mean(axis=0) / 96)
    assert np.ptp(middles, axis=0).min() > 0.06


def test_the_pixels_are_those_of_the_version():
    """Pixels, not files, because versions of zlib differ. If you change the images, change DRAWING too."""
    pixels = hashlib.sha256()
    for creature in CREATURES:
        for index in (0, 1):
            pixels.update(draw(creature, index, 1, 48).convert("RGB").tobytes())
    assert (DRAWING, pixels.hexdigest()[:16]) == ("3d2959f2080a64e6", "8994c6955aaab563")
