"""Draw one image of a creature in front of a random landscape."""

import math
import random

from PIL import Image, ImageDraw

from parley.core.errors import ParleyError
from parley.synthetic.attributes import Creature
from parley.synthetic.parts import HORNS, LEG_DEPTHS, LEGS, TAILS, draw_body, draw_face, draw_pattern
from parley.synthetic.pencil import Colour, Pencil, Placement, Point
from parley.synthetic.pose import Pose, hls, palette_of, pose_of

# Hues of the sky as fractions of a full turn of the colour wheel: day, day, evening, dusk, sea mist, violet.
_SKIES = (0.55, 0.57, 0.08, 0.92, 0.45, 0.70)


def draw_scene(side_px: int, draws: random.Random) -> Image.Image:
    """Draw a landscape without a creature, of `side_px` by `side_px` pixels and mode RGB.

    Skies and hills are pale, so that only creatures have saturated colours.
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
    # Repeating one column is much faster than computing a gradient over the whole image.
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
    """Fill the area below a ridge, which is the sum of two waves around `level` (0 = top of the image, 1 = bottom)."""
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


SMALLEST_PX = 16
_SUPERSAMPLING = 3
_GRAIN = 0.04
# Maximum distances of a creature from the middle, as fractions of the image's side. A random convolutional network's
# features depend on position: if the distances are doubled, a linear probe's accuracy falls from 0.88 to 0.77.
_ROAM_ACROSS, _ROAM_UP = 0.11, 0.06


def draw(creature: Creature, index: int, seed: int, size_px: int) -> Image.Image:
    """Draw an image of a creature.

    The image depends only on the arguments. Scene, pose, colours, position and grain have separate random streams, so
    that a code change in the drawing of scenes does not change the creatures.

    Parameters
    ----------
    creature
        Creature to draw.
    index
        Number of the image, from 0.
    seed
        Random seed. Another seed gives other images of the same creatures.
    size_px
        Side of the square image in pixels, at least 16. It affects none of the random properties except the grain.

    Returns
    -------
    PIL.Image.Image
        Image of `size_px` by `size_px` pixels, mode RGB.

    Raises
    ------
    ParleyError
        If `size_px` is below 16.
    """
    if size_px < SMALLEST_PX:
        raise ParleyError(f"Creatures cannot be drawn at {size_px} pixels; ask for {SMALLEST_PX} or more.")

    def stream(purpose: str) -> random.Random:
        # Python seeds the generator with the SHA-512 of the string, which is the same on every machine.
        return random.Random(f"{seed}/{creature.name}/{index}/{purpose}")  # noqa: S311  # nosec B311

    side = size_px * _SUPERSAMPLING
    picture = draw_scene(side, stream("scene"))
    pose = pose_of(creature, stream("pose"))
    placement = _place(pose, side, stream("place"))
    _draw_shadow(picture, placement, LEG_DEPTHS[creature.legs])
    _draw_creature(picture, creature, pose, placement, stream("colours"))
    return _grained(picture.reduce(_SUPERSAMPLING), stream("grain"))


def _place(pose: Pose, side: int, draws: random.Random) -> Placement:
    """Return a random placement near the middle. Large creatures are placed closer to it, so that the tail fits in."""
    across = min(_ROAM_ACROSS, max(0.5 - 2.05 * pose.reach, 0.05))
    # The creature is shifted forward, because the tail extends further back than the head extends forward.
    x = 0.5 + draws.uniform(-across, across) + 0.25 * pose.facing * pose.reach
    y = 0.56 + draws.uniform(-_ROAM_UP, _ROAM_UP)
    return Placement(x * side, y * side, pose.reach * side, pose.tilt, pose.facing)


def _draw_shadow(picture: Image.Image, placement: Placement, depth: float) -> None:
    x, y, scale = placement.x, placement.y + depth * placement.scale, placement.scale
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
    legs(pencil, pose, palette, near=False)
    HORNS[creature.horns](pencil, pose, palette)
    draw_body(pencil, pose, palette)
    draw_pattern(picture, placement, creature.pattern, pose, palette)
    legs(pencil, pose, palette, near=True)
    draw_face(pencil, pose, palette)


def _grained(picture: Image.Image, draws: random.Random) -> Image.Image:
    """Add grey noise to an image, similar to that of a camera in dim light."""
    grain = Image.frombytes("L", picture.size, draws.randbytes(picture.width * picture.height))
    return Image.blend(picture, grain.convert("RGB"), _GRAIN)
