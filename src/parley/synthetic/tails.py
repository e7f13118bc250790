"""Draw tails."""

import math

from parley.synthetic.palette import Palette
from parley.synthetic.pencil import Pencil, Point, bend, ellipse, ribbon
from parley.synthetic.pose import Part, Pose

_ROOT = (-0.8, 0.1)


def _from_root(length: float, angle: float) -> Point:
    return _ROOT[0] + length * math.cos(angle), _ROOT[1] + length * math.sin(angle)


def _bushy(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw a brush that curls up over the back, with a pale tip."""
    size = pose.tail_size
    puffs = []
    for step, radius in enumerate((0.22, 0.34, 0.42, 0.46, 0.42, 0.3)):
        angle = math.radians(125) + pose.tail_lift - 0.045 * step**2
        puffs.append((_from_root(0.25 + 0.24 * step * size, angle), radius * size))
    for middle, radius in puffs:
        pencil.disc(middle, radius, palette.ink, inked=True)
    for step, (middle, radius) in enumerate(puffs):
        pencil.disc(middle, radius, palette.pale if step >= 4 else palette.shade)


def _forked(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw a thin tail that ends in two dark prongs."""
    size = pose.tail_size
    angle = math.radians(160) + pose.tail_lift
    x, y = _from_root(1.15 * size, angle)
    tip = (x, y + 0.3)
    line = bend(_ROOT, (_ROOT[0] - 0.7, _ROOT[1] - 0.6), tip)
    pencil.shape(ribbon(line, 0.22, 0.12), palette.shade)
    for side in (-1, 1):
        out = angle - 0.5 + 0.62 * side
        prong = (tip[0] + 0.55 * size * math.cos(out), tip[1] + 0.55 * size * math.sin(out))
        pencil.shape(ribbon([tip, prong], 0.2, 0.03), palette.ink)


def _fanned(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw six feathers with an eye each, the middle ones in front."""
    size = pose.tail_size
    for feather in (0, 5, 1, 4, 2, 3):
        angle = math.radians(140 + 27 * (feather - 2.5)) + pose.tail_lift * 0.6
        vane = ellipse(_from_root(0.95 * size, angle), 0.75 * size, 0.29 * size, angle, corners=24)
        pencil.shape(vane, palette.body if feather % 2 else palette.pale)
        pencil.disc(_from_root(1.4 * size, angle), 0.18 * size, palette.accent)


TAILS: dict[str, Part] = {"bushy": _bushy, "forked": _forked, "fanned": _fanned}
