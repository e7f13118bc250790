"""Draw one image of a creature."""

import random

from PIL import Image, ImageDraw

from parley.core.errors import ParleyError
from parley.synthetic.attributes import Creature
from parley.synthetic.coat import draw_body, draw_face, draw_pattern
from parley.synthetic.horns import HORNS
from parley.synthetic.legs import LEGS, Legs
from parley.synthetic.palette import palette_of
from parley.synthetic.pencil import Pencil, Placement
from parley.synthetic.pose import Pose, pose_of
from parley.synthetic.scenery import draw_scene
from parley.synthetic.tails import TAILS

SMALLEST_PX = 16
_SUPERSAMPLING = 3
_GRAIN = 0.04
# How far a creature roams from the middle, as a part of the side. A random convolutional network is far
# from blind to position: at twice this, a linear probe on its features falls from 0.88 to 0.77 top-1.
_ROAM_ACROSS, _ROAM_UP = 0.11, 0.06


def draw(creature: Creature, index: int, seed: int, size_px: int) -> Image.Image:
    """Draw picture number `index` of a creature.

    A pure function of its arguments. Each purpose (scene, pose, colours, place, grain) has a random
    stream of its own, keyed by seed, creature and index, so that no picture depends on another, and
    a change to how scenes are drawn moves no creature.

    Parameters
    ----------
    creature
        What to draw.
    index
        Which of its pictures, from 0.
    seed
        Another seed gives other pictures of the same creatures.
    size_px
        Side of the square picture, at least 16. The same picture at any size, but for the grain.

    Returns
    -------
    PIL.Image.Image
        Mode RGB, `size_px` by `size_px`.

    Raises
    ------
    ParleyError
        When `size_px` is below 16.
    """
    if size_px < SMALLEST_PX:
        raise ParleyError(f"Creatures cannot be drawn at {size_px} pixels; ask for {SMALLEST_PX} or more.")

    def stream(purpose: str) -> random.Random:
        # A text seeds Python's generator by its SHA-512, the same on any machine and in any process.
        return random.Random(f"{seed}/{creature.name}/{index}/{purpose}")  # noqa: S311  # nosec B311

    side = size_px * _SUPERSAMPLING
    picture = draw_scene(side, stream("scene"))
    pose = pose_of(creature, stream("pose"))
    legs = LEGS[creature.legs]
    placement = _place(pose, side, stream("place"))
    _draw_shadow(picture, placement, legs)
    _draw_creature(picture, creature, pose, placement, stream("colours"))
    return _grained(picture.reduce(_SUPERSAMPLING), stream("grain"))


def _place(pose: Pose, side: int, draws: random.Random) -> Placement:
    """Place a creature near the middle; big ones vary less in position, so that the tail stays inside."""
    across = min(_ROAM_ACROSS, max(0.5 - 2.05 * pose.reach, 0.05))
    # The tail reaches further back than the head does forward.
    x = 0.5 + draws.uniform(-across, across) + 0.25 * pose.facing * pose.reach
    y = 0.56 + draws.uniform(-_ROAM_UP, _ROAM_UP)
    return Placement(x * side, y * side, pose.reach * side, pose.tilt, pose.facing)


def _draw_shadow(picture: Image.Image, placement: Placement, legs: Legs) -> None:
    x, y, scale = placement.x, placement.y + legs.depth * placement.scale, placement.scale
    wide, high = round(2.3 * scale), round(0.34 * scale)
    shadow = Image.new("L", (wide, high))
    ImageDraw.Draw(shadow).ellipse((0, 0, wide - 1, high - 1), fill=70)
    picture.paste((30, 30, 50), (round(x - wide / 2), round(y - 0.4 * high)), shadow)


def _draw_creature(
    picture: Image.Image, creature: Creature, pose: Pose, placement: Placement, draws: random.Random
) -> None:
    """Draw a creature from back to front."""
    palette = palette_of(creature, draws)
    legs = LEGS[creature.legs]
    line_px = 0.04 * placement.scale + 0.002 * picture.width
    pencil = Pencil(picture, placement, palette.ink, line_px)
    TAILS[creature.tail](pencil, pose, palette)
    legs.behind(pencil, pose, palette)
    HORNS[creature.horns](pencil, pose, palette)
    draw_body(pencil, pose, palette)
    draw_pattern(picture, placement, creature.pattern, pose, palette)
    legs.in_front(pencil, pose, palette)
    draw_face(pencil, pose, palette)


def _grained(picture: Image.Image, draws: random.Random) -> Image.Image:
    """Add grey noise to an image, as of a camera in dim light."""
    grain = Image.frombytes("L", picture.size, draws.randbytes(picture.width * picture.height))
    return Image.blend(picture, grain.convert("RGB"), _GRAIN)
