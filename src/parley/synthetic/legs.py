"""Draw legs: a far and a near pair, or tentacles."""

from dataclasses import dataclass

from parley.synthetic.palette import Colour, Palette
from parley.synthetic.pencil import Pencil, Point, bend, ellipse, ribbon
from parley.synthetic.pose import Part, Pose


@dataclass(frozen=True, slots=True)
class Legs:
    """How legs are drawn, and how far below the body's middle they reach, in the creature's units."""

    behind: Part
    in_front: Part
    depth: float


def _stilt(pencil: Pencil, hip: Point, swing: float, pose: Pose, colour: Colour, palette: Palette) -> None:
    foot = (hip[0] + swing, -1.75 * pose.leg_length)
    knee = (hip[0] + swing * 0.2 + 0.12, -1.1)
    pencil.shape(ribbon(bend(hip, knee, foot), 0.26, 0.16), colour)
    pencil.shape(ellipse((foot[0] + 0.07, foot[1]), 0.2, 0.1, corners=12), palette.ink)


def _far_stilts(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    _stilt(pencil, (-0.3, -0.3), pose.swing[0], pose, palette.shade, palette)
    _stilt(pencil, (0.72, -0.3), pose.swing[1], pose, palette.shade, palette)


def _near_stilts(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    _stilt(pencil, (-0.62, -0.3), pose.swing[2], pose, palette.body, palette)
    _stilt(pencil, (0.42, -0.3), pose.swing[3], pose, palette.body, palette)


def _paw(pencil: Pencil, hip: Point, swing: float, pose: Pose, leg: Colour, paw: Colour) -> None:
    foot = (hip[0] + swing * 0.6, -0.98 * pose.leg_length)
    pencil.shape(ribbon([hip, foot], 0.46, 0.5), leg)
    pencil.shape(ellipse((foot[0] + 0.1, foot[1]), 0.36, 0.2, corners=20), paw)


def _far_paws(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    _paw(pencil, (-0.2, -0.35), pose.swing[0], pose, palette.shade, palette.shade)
    _paw(pencil, (0.8, -0.35), pose.swing[1], pose, palette.shade, palette.shade)


def _near_paws(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    _paw(pencil, (-0.55, -0.35), pose.swing[2], pose, palette.body, palette.pale)
    _paw(pencil, (0.45, -0.35), pose.swing[3], pose, palette.body, palette.pale)


def _tentacles(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw six tentacles that spread to the sides and curl up at their ends."""
    for number, swing in enumerate(pose.swing):
        out = (number - 2.5) / 2.5
        outward = 1 if out > 0 else -1
        sway = swing * 0.8
        floor = (-1.18 + 0.25 * abs(out)) * pose.leg_length
        knee = (1.35 * out + sway * 0.4, floor)
        tip = (knee[0] + 0.4 * outward + sway, floor + 0.42)
        line = bend((0.75 * out, -0.35), (0.8 * out, floor - 0.1), knee)
        line += bend(knee, (knee[0] + 0.42 * outward, floor + 0.05), tip)[1:]
        pencil.shape(ribbon(line, 0.36, 0.12), palette.pale if number % 2 else palette.body)


def _nothing(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw nothing: tentacles are all behind the body."""


LEGS = {
    "stilts": Legs(_far_stilts, _near_stilts, depth=1.8),
    "paws": Legs(_far_paws, _near_paws, depth=1.05),
    "tentacles": Legs(_tentacles, _nothing, depth=1.15),
}
