"""Random colours, posture and proportions of a creature in one image."""

import colorsys
import random
from collections.abc import Callable
from dataclasses import dataclass

from parley.synthetic.attributes import Creature
from parley.synthetic.pencil import Colour, Pencil, Point

# Hue, as a fraction of a full turn of the colour wheel, lightness and saturation (from 0 to 1) of each colour.
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
    """Colours with which a creature is drawn.

    Variants of the creature's own colour are `body`, `shade` (for parts behind the body), `pale` (for tips and paws)
    and `ink` (for outlines). `mark` is the colour of the pattern. `bone` (for spikes), `horn` (for antlers), `glow`
    (for antennae) and `accent` (for fanned tails) do not depend on the creature's colour.
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
    """Return a colour as 8-bit RGB. The hue is any number of full turns; the other components are clipped to [0, 1]."""
    parts = colorsys.hls_to_rgb(hue % 1.0, min(max(lightness, 0.0), 1.0), min(max(saturation, 0.0), 1.0))
    red, green, blue = (round(part * 255) for part in parts)
    return red, green, blue


def palette_of(creature: Creature, draws: random.Random) -> Palette:
    """Sample colours for one image. Hue is within 8 degrees, lightness within 0.05 of the creature's colour."""
    vary = draws.uniform
    hue, lightness, saturation = _BODY[creature.colour]
    hue += vary(-0.022, 0.022)
    lightness += vary(-0.05, 0.05)
    saturation += vary(-0.1, 0.1)
    # Dark stripes and light spots are both visible on all six colours.
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


# Half of a body's length for each size, as a fraction of the image's side, before the random change of scale.
_REACH = {"tiny": 0.115, "medium": 0.152, "huge": 0.198}


@dataclass(frozen=True, slots=True)
class Pose:
    """Posture and proportions of a creature in one image.

    Lengths are in the creature's units (half of the body's length is about one unit), angles in radians.

    Parameters
    ----------
    reach
        Length of one unit as a fraction of the image's side.
    tilt, facing
        Rotation of the whole creature, and its direction: 1 if it faces right, -1 if it faces left.
    stretch
        Half of the body's length. The body's height is inversely proportional to it.
    head, head_size
        Middle of the head, and half of its width.
    swing
        Horizontal displacements of the legs, six numbers in [-0.22, 0.22].
    leg_length, horn_size, tail_size, mark_size
        Scale factors close to 1.
    horn_lean, tail_lift
        Forward lean of the horns, and rotation of the tail.
    mark_shift
        Offset of the pattern on the body, as a fraction of the pattern's period.
    gaze
        Direction in which the eyes look, each component in [-1, 1].
    blink
        Whether the eyes are shut.
    """

    reach: float
    tilt: float
    facing: int
    stretch: float
    head: Point
    head_size: float
    swing: tuple[float, ...]
    leg_length: float
    horn_size: float
    horn_lean: float
    tail_size: float
    tail_lift: float
    mark_size: float
    mark_shift: float
    gaze: Point
    blink: bool


def pose_of(creature: Creature, draws: random.Random) -> Pose:
    """Sample a pose for one image. The scale varies by at most 8 %, so that the three sizes do not overlap."""
    vary = draws.uniform
    return Pose(
        reach=_REACH[creature.size] * vary(0.92, 1.08),
        tilt=vary(-0.16, 0.16),
        facing=draws.choice((1, -1)),
        stretch=vary(0.94, 1.08),
        head=(vary(0.78, 0.98), vary(0.42, 0.72)),
        head_size=vary(0.56, 0.66),
        swing=tuple(vary(-0.22, 0.22) for _ in range(6)),
        leg_length=vary(0.92, 1.1),
        horn_size=vary(0.9, 1.12),
        horn_lean=vary(-0.2, 0.2),
        tail_size=vary(0.9, 1.12),
        tail_lift=vary(-0.3, 0.3),
        mark_size=vary(0.88, 1.12),
        mark_shift=vary(0.0, 1.0),
        gaze=(vary(-1.0, 1.0), vary(-1.0, 1.0)),
        blink=draws.random() < 0.08,
    )


# Function that draws one part of a creature, such as a tail or horns.
Part = Callable[[Pencil, Pose, Palette], None]
