"""Draw antlers, antennae or spikes."""

import math

from parley.synthetic.coat import BODY_HEIGHT
from parley.synthetic.palette import Palette
from parley.synthetic.pencil import Pencil, Point, bend, ribbon
from parley.synthetic.pose import Part, Pose


def _crown(pose: Pose) -> Point:
    return pose.head[0], pose.head[1] + pose.head_size * 0.6


def _antlers(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw two beams that bow outwards, each with three points."""
    x, y = _crown(pose)
    size = pose.horn_size
    branches: list[list[Point]] = []
    for side in (-1, 1):
        tip = (x + 1.05 * side * size + pose.horn_lean, y + 1.0 * size)
        beam = bend((x + 0.15 * side, y), (x + (0.95 * side + pose.horn_lean) * size, y + 0.2 * size), tip)
        branches.append(beam)
        for place, length in ((4, 0.6), (6, 0.62), (8, 0.5)):
            root = beam[place]
            branches.append([root, (root[0] - 0.12 * side * size, root[1] + length * size)])
    bands = [ribbon(branch, 0.24, 0.15) for branch in branches]
    # All outlines first, so that none crosses the junction of two branches.
    for band in bands:
        pencil.ink(band)
    for band in bands:
        pencil.fill(band, palette.horn)


def _antennae(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    x, y = _crown(pose)
    size = pose.horn_size
    for side in (-1, 1):
        tip = (x + (0.45 * side + pose.horn_lean) * size, y + 1.15 * size)
        stalk = bend((x + 0.15 * side, y), (x + 0.1 * side, y + 0.7 * size), tip)
        pencil.shape(ribbon(stalk, 0.07, 0.07), palette.ink)
        pencil.disc(tip, 0.34 * size, palette.glow, inked=True)


def _spikes(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw four spikes on the back and two on the head, their feet hidden by what is drawn over them."""
    for degrees in (165, 144, 123, 102):
        angle = math.radians(degrees)
        foot = (pose.stretch * 0.9 * math.cos(angle), BODY_HEIGHT * 0.9 * math.sin(angle))
        _spike(pencil, foot, angle, pose, palette)
    for degrees in (125, 70):
        angle = math.radians(degrees)
        reach = pose.head_size * 0.85
        foot = (pose.head[0] + reach * math.cos(angle), pose.head[1] + reach * math.sin(angle))
        _spike(pencil, foot, angle, pose, palette)


def _spike(pencil: Pencil, foot: Point, angle: float, pose: Pose, palette: Palette) -> None:
    lean = angle + pose.horn_lean * 0.6
    tip = (foot[0] + 0.75 * pose.horn_size * math.cos(lean), foot[1] + 0.75 * pose.horn_size * math.sin(lean))
    side_x, side_y = -math.sin(angle) * 0.24, math.cos(angle) * 0.24
    pencil.shape([(foot[0] + side_x, foot[1] + side_y), tip, (foot[0] - side_x, foot[1] - side_y)], palette.bone)


HORNS: dict[str, Part] = {"antlers": _antlers, "antennae": _antennae, "spikes": _spikes}
