"""Draw outlined shapes, transformed by scale, tilt, mirroring and shift.

The shapes of a creature are given in its own units: the body is about two units wide, x points forward and y up.
A `Placement` converts these units to pixels of the image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Placement:
    """Position of a creature in the image: its origin (`x`, `y`) in pixels, `scale` in pixels per unit, and rotation.

    `tilt` is the rotation in radians. `facing` is 1 for a creature that faces right and -1 for its mirror image.
    """

    x: float
    y: float
    scale: float
    tilt: float = 0.0
    facing: int = 1

    def pixels(self, points: Sequence[Point]) -> list[Point]:
        """Convert points from the creature's units, where y points up, to pixels, where y points down."""
        cosine, sine = math.cos(self.tilt) * self.scale, math.sin(self.tilt) * self.scale
        return [(self.x + self.facing * (cosine * x - sine * y), self.y - (sine * x + cosine * y)) for x, y in points]


def ellipse(centre: Point, across: float, up: float, turn: float = 0.0, corners: int = 36) -> list[Point]:
    """Return the outline of an ellipse with semi-axes `across` and `up`, rotated by `turn` radians."""
    cosine, sine = math.cos(turn), math.sin(turn)
    outline = []
    for corner in range(corners):
        angle = 2 * math.pi * corner / corners
        x, y = across * math.cos(angle), up * math.sin(angle)
        outline.append((centre[0] + cosine * x - sine * y, centre[1] + sine * x + cosine * y))
    return outline


def bend(start: Point, middle: Point, end: Point, steps: int = 10) -> list[Point]:
    """Return points on the quadratic Bézier curve from `start` to `end` with the control point `middle`."""
    curve = []
    for step in range(steps + 1):
        t = step / steps
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        curve.append((a * start[0] + b * middle[0] + c * end[0], a * start[1] + b * middle[1] + c * end[1]))
    return curve


def ribbon(line: Sequence[Point], from_width: float, to_width: float) -> list[Point]:
    """Return the outline of a band along `line` whose width changes linearly from `from_width` to `to_width`."""
    left, right = [], []
    last = len(line) - 1
    for index, (x, y) in enumerate(line):
        before, after = line[max(index - 1, 0)], line[min(index + 1, last)]
        along_x, along_y = after[0] - before[0], after[1] - before[1]
        length = math.hypot(along_x, along_y) or 1.0
        half = (from_width + (to_width - from_width) * index / last) / 2
        side_x, side_y = -along_y / length * half, along_x / length * half
        left.append((x + side_x, y + side_y))
        right.append((x - side_x, y - side_y))
    return left + right[::-1]


class Pencil:
    """Draws shapes on an image; they are given in the coordinates of the drawn animal (creature).

    Parameters
    ----------
    picture
        Image to draw on, of mode RGB, or L for a mask.
    placement
        Conversion from the creature's units to pixels.
    ink
        Colour of outlines.
    line_px
        Width of outlines in pixels of `picture`.
    """

    def __init__(
        self, picture: Image.Image, placement: Placement, ink: Colour = (0, 0, 0), line_px: float = 1.0
    ) -> None:
        self._draw = ImageDraw.Draw(picture)
        self._placement = placement
        self._ink = ink
        self._line_px = line_px

    def fill(self, outline: Sequence[Point], colour: Colour | int) -> None:
        """Fill a shape without drawing an outline."""
        self._draw.polygon(self._placement.pixels(outline), fill=colour)

    def ink(self, outline: Sequence[Point]) -> None:
        """Draw the outline of a shape with twice the line width. Fill the shape afterwards to cover the inner half."""
        corners = self._placement.pixels(outline)
        width = max(1, round(2 * self._line_px))
        self._draw.line([*corners, *corners[:2]], fill=self._ink, width=width, joint="curve")

    def shape(self, outline: Sequence[Point], colour: Colour) -> None:
        """Draw a filled shape with an outline."""
        self.ink(outline)
        self.fill(outline, colour)

    def disc(self, middle: Point, radius: float, colour: Colour | int, inked: bool = False) -> None:
        """Draw a filled circle, with an outline if `inked` is true."""
        [(x, y)] = self._placement.pixels([middle])
        reach = radius * self._placement.scale
        if inked:
            edge = reach + self._line_px
            self._draw.ellipse((x - edge, y - edge, x + edge, y + edge), fill=self._ink)
        self._draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
