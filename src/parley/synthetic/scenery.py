"""Draw a varied background: sky, sun, clouds, hills and grass."""

import math
import random

from PIL import Image, ImageDraw

from parley.synthetic.palette import Colour, hls
from parley.synthetic.pencil import Point

# Hues in turns: day, day, evening, dusk, sea mist, violet.
_SKIES = (0.55, 0.57, 0.08, 0.92, 0.45, 0.70)


def draw_scene(side_px: int, draws: random.Random) -> Image.Image:
    """Return an empty landscape of `side_px` by `side_px` pixels, mode RGB.

    Skies and hills are kept pale and the creatures strong, so that a colour means the creature's.
    """
    vary = draws.uniform
    hue = draws.choice(_SKIES) + vary(-0.04, 0.04)
    picture = _sky(side_px, hue, draws)
    draw = ImageDraw.Draw(picture)
    _sun(draw, side_px, draws)
    for _ in range(draws.randrange(4)):
        _cloud(draw, side_px, hls(hue, 0.94, 0.3), draws)
    ground, light, horizon = vary(0.08, 0.45), vary(0.56, 0.68), vary(0.52, 0.66)
    for depth in range(3):
        colour = hls(ground + 0.03 * depth, light + 0.04 * (1 - depth), 0.22)
        _hill(draw, side_px, horizon - 0.08 + 0.1 * depth, colour, draws)
    for _ in range(draws.randrange(4, 10)):
        _tuft(draw, side_px, (vary(0.0, 1.0), vary(horizon + 0.12, 1.0)), hls(ground, light - 0.14, 0.32), draws)
    return picture


def _sky(side_px: int, hue: float, draws: random.Random) -> Image.Image:
    vary = draws.uniform
    light = vary(0.78, 0.88)
    high = hls(hue, light - 0.1, vary(0.2, 0.4))
    low = hls(hue + vary(-0.1, 0.1), light, vary(0.2, 0.4))
    downwards = Image.linear_gradient("L").crop((0, 0, 1, 256))
    column = Image.composite(Image.new("RGB", (1, 256), low), Image.new("RGB", (1, 256), high), downwards)
    # One column, then copies of it: much faster than a gradient over the whole image.
    column = column.resize((1, side_px), Image.Resampling.BILINEAR)
    return column.resize((side_px, side_px), Image.Resampling.NEAREST)


def _sun(draw: ImageDraw.ImageDraw, side_px: int, draws: random.Random) -> None:
    vary = draws.uniform
    x, y, radius = vary(0.0, 1.0) * side_px, vary(0.05, 0.35) * side_px, vary(0.05, 0.1) * side_px
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=hls(vary(0.1, 0.16), 0.92, 0.7))


def _cloud(draw: ImageDraw.ImageDraw, side_px: int, colour: Colour, draws: random.Random) -> None:
    middle, y = draws.uniform(0.0, 1.0), draws.uniform(0.05, 0.4)
    for puff in (-1, 0, 1):
        radius = draws.uniform(0.03, 0.06) * (1.0 if puff else 1.3)
        x = middle + puff * 0.06
        box = (x - 1.4 * radius, y - radius, x + 1.4 * radius, y + 0.7 * radius)
        draw.ellipse([edge * side_px for edge in box], fill=colour)


def _hill(draw: ImageDraw.ImageDraw, side_px: int, level: float, colour: Colour, draws: random.Random) -> None:
    """Fill everything below a ridge, the sum of two waves about `level` (0 is the top, 1 the foot)."""
    vary = draws.uniform
    waves = [(vary(0.01, 0.045), vary(0.6, 2.2), vary(0.0, math.tau)) for _ in range(2)]
    ridge: list[Point] = []
    for step in range(25):
        x = step / 24
        y = level + sum(height * math.sin(math.tau * often * x + start) for height, often, start in waves)
        ridge.append((x * side_px, y * side_px))
    draw.polygon([*ridge, (side_px, side_px), (0, side_px)], fill=colour)


def _tuft(draw: ImageDraw.ImageDraw, side_px: int, foot: Point, colour: Colour, draws: random.Random) -> None:
    x, y = foot
    for blade in (-1, 0, 1):
        lean = blade * 0.015 + draws.uniform(-0.006, 0.006)
        corners = ((x - 0.006, y), (x + 0.006, y), (x + lean, y - 0.035))
        draw.polygon([(across * side_px, down * side_px) for across, down in corners], fill=colour)
