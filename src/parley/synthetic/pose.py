"""Posture and proportions of a creature in one image."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from parley.synthetic.attributes import Creature
from parley.synthetic.palette import Palette
from parley.synthetic.pencil import Pencil, Point

# Half a body's length as a part of the picture's side.
_REACH = {"tiny": 0.115, "medium": 0.152, "huge": 0.198}


@dataclass(frozen=True, slots=True)
class Pose:
    """What varies between two images of one creature, other than colours and position.

    Lengths are in the creature's units (half a body's length is about one), angles in radians.

    Parameters
    ----------
    reach
        Pixels a unit, as a part of the picture's side.
    tilt, facing
        Turn of the whole creature; 1 if it looks right, -1 if left.
    stretch
        Half the body's length; the body's height makes up for it.
    head, head_size
        Middle of the head and half its width.
    swing
        Six numbers that move the legs, each within 0.22.
    leg_length, horn_size, tail_size, mark_size
        Factors about 1.
    horn_lean, tail_lift
        Forward lean of the horns, turn of the tail.
    mark_shift
        Where on the body the pattern starts, as a part of its period.
    gaze
        Where the eyes look, each part within -1..1.
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
    """Draw the posture of one picture. Scale varies by 8 % in either direction, so that the sizes do not overlap."""
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


# Draws one part of a creature: a tail, horns, some legs.
Part = Callable[[Pencil, Pose, Palette], None]
