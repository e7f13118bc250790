"""Write the bundled world to disk: images, a URL list in ImageNet's format, and the class set."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path

from parley.core.errors import Findings
from parley.core.files import write_table, written_aside
from parley.core.progress import Progress
from parley.synthetic.attributes import CREATURES, Creature
from parley.synthetic.drawing import SMALLEST_PX, draw

logger = logging.getLogger(__name__)

LIST_NAME = "urls.txt"
CLASS_SET_COLUMNS = ("class", "wnid", "domain", "group", "description")


def draw_world(
    folder: str | Path, images_per_class: int, size_px: int, seed: int, classes: Sequence[str] | None = None
) -> Path:
    """Draw the world's images and list them in the format of ImageNet's fall-2011 URL list.

    Pictures go to `<folder>/<class>/<nnnn>.png`. The list has a line a picture, the id `<wnid>_<n>`, a tab
    and the path relative to `folder`. It is written last, and an older one is removed first: where a list
    is, all that it names is. Pictures of an earlier, larger drawing stay on disk, unlisted.

    Parameters
    ----------
    folder
        Where to draw; made if need be.
    images_per_class
        Pictures of each creature, numbered from 0; at least 1.
    size_px
        Side of a picture, at least 16.
    seed
        Decides all that varies between pictures.
    classes
        Names of the creatures to draw, in the list's order; all thirty by default.

    Returns
    -------
    pathlib.Path
        The list, `<folder>/urls.txt`.

    Raises
    ------
    ParleyError
        With all that is wrong with the arguments, before anything is drawn.
    """
    creatures = _chosen(classes, images_per_class, size_px)
    root = Path(folder)
    url_list = root / LIST_NAME
    url_list.unlink(missing_ok=True)
    lines = []
    with Progress("drawing creatures", len(creatures) * images_per_class, "picture") as progress:
        for creature in creatures:
            for index in range(images_per_class):
                place = f"{creature.name}/{index:04d}.png"
                _write_picture(root / place, creature, index, seed, size_px)
                lines.append(f"{creature.wnid}_{index}\t{place}\n")
                progress.advance(note=creature.name)
    with written_aside(url_list) as aside:
        aside.write_text("".join(lines), encoding="utf-8", newline="\n")
    logger.info("Drew %d pictures of %d creatures; their list is %s.", len(lines), len(creatures), url_list)
    return url_list


def png_bytes(creature: Creature, index: int, seed: int, size_px: int) -> bytes:
    """Return an image as PNG bytes; deterministic for the same arguments and version of Pillow."""
    stream = io.BytesIO()
    draw(creature, index, seed, size_px).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def class_set_rows() -> list[tuple[str, str, str, str, str]]:
    """Return the world's class set: class, wnid, domain, group and description; the group is the colour."""
    return [
        (creature.name, creature.wnid, creature.domain, creature.colour, creature.description) for creature in CREATURES
    ]


def write_class_set(path: str | Path) -> None:
    """Write the world's class set as a TSV; a test checks that `config/classes/world.tsv` is current."""
    write_table(path, CLASS_SET_COLUMNS, class_set_rows())


def _write_picture(path: Path, creature: Creature, index: int, seed: int, size_px: int) -> None:
    with written_aside(path) as aside:
        aside.write_bytes(png_bytes(creature, index, seed, size_px))


def _chosen(classes: Sequence[str] | None, images_per_class: int, size_px: int) -> list[Creature]:
    findings = Findings()
    if images_per_class < 1:
        findings.add(f"The world was asked for {images_per_class} pictures a class; ask for 1 or more.")
    if size_px < SMALLEST_PX:
        findings.add(f"Creatures cannot be drawn at {size_px} pixels; ask for {SMALLEST_PX} or more.")
    by_name = {creature.name: creature for creature in CREATURES}
    names = list(by_name) if classes is None else list(classes)
    if not names:
        findings.add("The world was asked for no class; name one of its creatures or leave `classes` out.")
    for name in names:
        if name not in by_name:
            findings.add(f"The world has no creature called {name}; it has {', '.join(by_name)}.")
        elif names.count(name) > 1:
            findings.add(f"The world was asked for the creature {name} more than once; name it once.")
    findings.raise_if_any()
    return [by_name[name] for name in names]
