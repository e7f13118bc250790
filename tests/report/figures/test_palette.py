"""Colours that people with any common colour vision tell apart.

Simulated after Machado, Oliveira and Fernandes (2009), "A physiologically-based model for simulation of color vision
deficiency", at full severity; distances are CIEDE2000 after Sharma, Wu and Dalal (2005), checked on their own pairs.
"""

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest

from parley.report.figures.style import INK, MUTED, PAPER, ROLES, SERIES

VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
LEAST = 10
"""CIEDE2000 at which two marks are plainly of different colours; about 1 is just noticed side by side."""


def linear(colour):
    """Linear RGB of #rrggbb."""
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB (D65) of linear RGB."""
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.95047, 1.0, 1.08883]
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def ciede2000(one, other):
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    middle, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    hue = h1 + turn / 2 if c1 * c2 else h1 + h2
    t = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    sl = 1 + 0.015 * (middle - 50) ** 2 / np.sqrt(20 + (middle - 50) ** 2)
    sc, sh = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rotation = (
        -2
        * np.sqrt(chroma**7 / (chroma**7 + 25**7))
        * np.sin(np.radians(60 * np.exp(-((((hue % 360) - 275) / 25) ** 2))))
    )
    lightness, chroma, hue = dl / sl, dc / sc, dh / sh
    return float(np.sqrt(lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue))


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1, 2), (50, 0, 0), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_distance_is_that_of_its_authors(one, other, distance):
    assert ciede2000(one, other) == pytest.approx(distance, abs=1e-4)


def themes():
    """The roles' colours of the figures' files, and of the page in light and in dark."""
    style = files("parley.report.page").joinpath("templates/report.css.j2").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    light, dark = (dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in blocks)
    return {"files": ROLES, "light": light, "dark": dark}


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", ["files", "light", "dark"])
def test_series_colours_differ_for_every_vision(theme, vision):
    roles = {role for role, colour in ROLES.items() if colour in SERIES}
    seen = {role: lab(np.array(VISIONS[vision]) @ linear(themes()[theme][role])) for role in roles}
    distances = {(one, other): ciede2000(seen[one], seen[other]) for one, other in combinations(sorted(seen), 2)}
    assert min(distances.values()) > LEAST, min(distances.items(), key=lambda item: item[1])


def contrast(one, other):
    """Contrast of two colours as WCAG 2 counts it."""
    low, high = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour)) + 0.05 for colour in (one, other))
    return high / low


@pytest.mark.parametrize("theme", ["files", "light", "dark"])
def test_text_contrasts_with_the_background(theme):
    colours = themes()[theme]
    assert contrast(colours["ink"], colours["paper"]) > 7
    assert contrast(colours["muted"], colours["paper"]) > 4.5
    assert (contrast("#000000", "#ffffff"), INK, MUTED, PAPER) == (21, ROLES["ink"], ROLES["muted"], ROLES["paper"])


@pytest.mark.parametrize("theme", ["files", "light", "dark"])
def test_lines_and_marks_contrast_with_the_background(theme):
    colours = themes()[theme]
    # What lines are drawn in; the other series are points whose classes are named beside them.
    assert all(contrast(colours[role], colours["paper"]) > 3 for role in ("blue", "vermilion", "green"))
