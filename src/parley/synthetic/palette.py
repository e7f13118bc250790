"""Colours of one image of a creature, varied around those of its class."""

import colorsys
import random
from dataclasses import dataclass

from parley.synthetic.attributes import Creature

Colour = tuple[int, int, int]

# Hue in turns, lightness and saturation from 0 to 1.
_BODY = {
    "red": (0.99, 0.47, 0.78),
    "yellow": (0.14, 0.56, 0.92),
    "green": (0.35, 0.40, 0.62),
    "blue": (0.59, 0.48, 0.78),
    "purple": (0.77, 0.45, 0.55),
    "pink": (0.92, 0.73, 0.85),
}


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours a creature is drawn with.

    `body`, the darker `shade` of what lies behind it, the `pale` of tips and paws, and the `ink` of
    outlines follow the creature's colour; `mark` is its pattern's; `bone`, `horn`, `glow` and `accent`
    are those of spikes, antlers, antennae and a fanned tail on any creature.
    """

    body: Colour
    shade: Colour
    pale: Colour
    ink: Colour
    mark: Colour
    bone: Colour
    horn: Colour
    glow: Colour
    accent: Colour


def hls(hue: float, lightness: float, saturation: float) -> Colour:
    """Return a colour as 8-bit RGB; hue in turns (any real), the others cut to 0..1."""
    parts = colorsys.hls_to_rgb(hue % 1.0, min(max(lightness, 0.0), 1.0), min(max(saturation, 0.0), 1.0))
    red, green, blue = (round(part * 255) for part in parts)
    return red, green, blue


def palette_of(creature: Creature, draws: random.Random) -> Palette:
    """Draw the colours of one picture: hue within 8 degrees of the class's, lightness within 0.05."""
    vary = draws.uniform
    hue, lightness, saturation = _BODY[creature.colour]
    hue += vary(-0.022, 0.022)
    lightness += vary(-0.05, 0.05)
    saturation += vary(-0.1, 0.1)
    # Dark stripes and light spots: both stand out on all six colours.
    stripe = hls(hue, lightness * 0.35, saturation * 0.8)
    spot = hls(0.12 + vary(-0.03, 0.03), vary(0.93, 0.98), 0.6)
    return Palette(
        body=hls(hue, lightness, saturation),
        shade=hls(hue, lightness - 0.13, saturation * 0.85),
        pale=hls(hue, 0.5 + lightness * 0.6, saturation * 0.6),
        ink=hls(hue, 0.1, 0.35),
        mark=stripe if creature.pattern == "striped" else spot,
        bone=hls(0.12 + vary(-0.02, 0.02), 0.9 + vary(-0.03, 0.03), 0.5),
        horn=hls(0.07 + vary(-0.02, 0.02), 0.38 + vary(-0.05, 0.05), 0.4),
        glow=hls(0.48 + vary(-0.03, 0.03), 0.64 + vary(-0.04, 0.04), 0.8),
        accent=hls(0.1 + vary(-0.03, 0.03), 0.6, 0.95),
    )
