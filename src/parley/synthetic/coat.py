"""A creature's body and head, the pattern on them, and its face."""

from collections.abc import Callable

from PIL import Image, ImageChops

from parley.synthetic.palette import Palette
from parley.synthetic.pencil import Pencil, Placement, Point, bend, ellipse, ribbon
from parley.synthetic.pose import Pose

# Half the height of a body whose half length is one.
BODY_HEIGHT = 0.74
_WHITE, _PUPIL = (250, 250, 246), (22, 20, 28)
Pattern = Callable[[Pencil, Pose], None]


def _outlines(pose: Pose) -> tuple[list[Point], list[Point]]:
    body = ellipse((0.0, 0.0), pose.stretch, BODY_HEIGHT / pose.stretch)
    head = ellipse(pose.head, pose.head_size, pose.head_size * 0.92)
    return body, head


def draw_body(pencil: Pencil, pose: Pose, palette: Palette) -> None:
    """Draw body and head as one shape, plain."""
    body, head = _outlines(pose)
    pencil.ink(body)
    pencil.ink(head)
    pencil.fill(body, palette.body)
    pencil.fill(head, palette.body)


def draw_pattern(picture: Image.Image, placement: Placement, pattern: str, pose: Pose, palette: Palette) -> None:
    """Draw a pattern over body and head, and nowhere else."""
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


# `plain` has no marks.
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
