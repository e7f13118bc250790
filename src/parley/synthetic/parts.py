"""Draw the parts of a creature: body, pattern, face, horns, legs and tail."""

import math
from collections.abc import Callable, Iterable

from PIL import Image, ImageChops

from parley.synthetic.pencil import Pencil, Placement, Point, bend, ellipse, ribbon
from parley.synthetic.pose import Palette, Part, Pose

# Half the height of a body that is 2 units long.
BODY_HEIGHT = 0.74
_WHITE, _PUPIL = (250, 250, 246), (22, 20, 28)
Pattern = Callable[[Pencil, Pose], None]


def _outlines(pose: Pose) -> tuple[list[Point], list[Point]]:
    body = ellipse((0.0, 0.0), pose.stretch, BODY_HEIGHT / pose.stretch)
    head = ellipse(pose.head, pose.head_size, pose.head_size * 0.92)
    return body, head


def draw_body(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw body and head as one shape, without a pattern."""
    body, head = _outlines(pose)
    pencil.ink(body)
    pencil.ink(head)
    pencil.fill(body, palette.body)
    pencil.fill(head, palette.body)


def draw_pattern(picture: Image.Image, placement: Placement, pattern: str, pose: Pose, palette: Palette) -> None:
    """Draw a pattern on the body and head, clipped to their outlines."""
    if pattern not in PATTERNS:
        return
    skin, marks = Image.new("L", picture.size), Image.new("L", picture.size)
    on_skin = Pencil(skin, placement)
    for outline in _outlines(pose):
        on_skin.fill(outline, 255)
    PATTERNS[pattern](Pencil(marks, placement), pose)
    box = skin.getbbox()
    if box is not None:
        picture.paste(palette.mark, box, ImageChops.darker(skin.crop(box), marks.crop(box)))


def _striped(pencil: Pencil, pose: Pose) -> None:
    width = 0.28 * pose.mark_size
    for number in range(-3, 6):
        x = (number + pose.mark_shift) * 0.5
        pencil.fill(ribbon(bend((x - 0.25, -1.2), (x + 0.15, 0.1), (x - 0.2, 1.6)), width, width), 255)


def _spotted(pencil: Pencil, pose: Pose) -> None:
    radius = 0.165 * pose.mark_size
    for row in range(-2, 4):
        for column in range(-3, 5):
            x = (column + 0.5 * (row % 2) + pose.mark_shift) * 0.5
            pencil.disc((x, (row + pose.mark_shift * 0.7) * 0.42), radius, 255)


# The pattern `plain` has no entry, because nothing is drawn for it.
PATTERNS: dict[str, Pattern] = {"striped": _striped, "spotted": _spotted}


def draw_face(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw the eyes, open or shut, and a smile."""
    (x, y), size = pose.head, pose.head_size
    for forward, radius in ((0.05, 0.29), (0.62, 0.25)):
        eye = (x + forward * size, y + 0.15 * size)
        if pose.blink:
            lid = bend(
                (eye[0] - radius * size, eye[1]),
                (eye[0], eye[1] - 0.35 * size),
                (eye[0] + radius * size, eye[1]),
            )
            pencil.fill(ribbon(lid, 0.11 * size, 0.11 * size), palette.ink)
            continue
        pupil = (eye[0] + 0.09 * size * pose.gaze[0], eye[1] + 0.09 * size * pose.gaze[1])
        pencil.disc(eye, radius * size, _WHITE, inked=True)
        pencil.disc(pupil, radius * 0.62 * size, _PUPIL)
        pencil.disc((pupil[0] + 0.06 * size, pupil[1] + 0.08 * size), radius * 0.22 * size, _WHITE)
    smile = bend(
        (x + 0.15 * size, y - 0.36 * size),
        (x + 0.4 * size, y - 0.62 * size),
        (x + 0.66 * size, y - 0.34 * size),
    )
    pencil.fill(ribbon(smile, 0.11 * size, 0.11 * size), palette.ink)


def _crown(pose: Pose) -> Point:
    return pose.head[0], pose.head[1] + pose.head_size * 0.6


def _antlers(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw two antlers that bend outwards, each with three side branches."""
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
    # All outlines are drawn first, so that no outline crosses the junction of two branches.
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
    """Draw four spikes on the back and two on the head. Body and head, drawn later, cover the feet of the spikes."""
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


def _stilts(pencil: Pencil, pose: Pose, palette: Palette, near: bool) -> None:
    for x, swing in _hips(pose, near, near_x=(-0.62, 0.42), far_x=(-0.3, 0.72)):
        hip, foot = (x, -0.3), (x + swing, -1.75 * pose.leg_length)
        knee = (x + swing * 0.2 + 0.12, -1.1)
        pencil.shape(ribbon(bend(hip, knee, foot), 0.26, 0.16), palette.body if near else palette.shade)
        pencil.shape(ellipse((foot[0] + 0.07, foot[1]), 0.2, 0.1, corners=12), palette.ink)


def _paws(pencil: Pencil, pose: Pose, palette: Palette, near: bool) -> None:
    for x, swing in _hips(pose, near, near_x=(-0.55, 0.45), far_x=(-0.2, 0.8)):
        foot = (x + swing * 0.6, -0.98 * pose.leg_length)
        pencil.shape(ribbon([(x, -0.35), foot], 0.46, 0.5), palette.body if near else palette.shade)
        paw = palette.pale if near else palette.shade
        pencil.shape(ellipse((foot[0] + 0.1, foot[1]), 0.36, 0.2, corners=20), paw)


def _hips(pose: Pose, near: bool, near_x: Point, far_x: Point) -> Iterable[tuple[float, float]]:
    """Return hip x coordinate and swing (see `Pose`) of each of the two legs on one side of the body, near or far."""
    return zip(near_x if near else far_x, pose.swing[2:4] if near else pose.swing[:2], strict=True)


def _tentacles(pencil: Pencil, pose: Pose, palette: Palette, near: bool) -> None:
    """Draw six tentacles that spread to the sides and curl up at their ends. All of them are behind the body."""
    for number, swing in enumerate(() if near else pose.swing):
        out = (number - 2.5) / 2.5
        outward = 1 if out > 0 else -1
        sway = swing * 0.8
        floor = (-1.18 + 0.25 * abs(out)) * pose.leg_length
        knee = (1.35 * out + sway * 0.4, floor)
        tip = (knee[0] + 0.4 * outward + sway, floor + 0.42)
        line = bend((0.75 * out, -0.35), (0.8 * out, floor - 0.1), knee)
        line += bend(knee, (knee[0] + 0.42 * outward, floor + 0.05), tip)[1:]
        pencil.shape(ribbon(line, 0.36, 0.12), palette.pale if number % 2 else palette.body)


LEGS = {"stilts": _stilts, "paws": _paws, "tentacles": _tentacles}
LEG_DEPTHS = {"stilts": 1.8, "paws": 1.05, "tentacles": 1.15}
"""Distance from the middle of the body to the lower end of the legs, in the creature's units."""
_ROOT = (-0.8, 0.1)


def _from_root(length: float, angle: float) -> Point:
    return _ROOT[0] + length * math.cos(angle), _ROOT[1] + length * math.sin(angle)


def _bushy(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw a bushy tail that curls up over the back and has a pale tip."""
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
    """Draw a fan of six feathers, each with a coloured spot. The middle feathers are in front."""
    size = pose.tail_size
    for feather in (0, 5, 1, 4, 2, 3):
        angle = math.radians(140 + 27 * (feather - 2.5)) + pose.tail_lift * 0.6
        vane = ellipse(_from_root(0.95 * size, angle), 0.75 * size, 0.29 * size, angle, corners=24)
        pencil.shape(vane, palette.body if feather % 2 else palette.pale)
        pencil.disc(_from_root(1.4 * size, angle), 0.18 * size, palette.accent)


TAILS: dict[str, Part] = {"bushy": _bushy, "forked": _forked, "fanned": _fanned}
