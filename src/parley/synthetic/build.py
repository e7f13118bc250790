"""Write the synthetic data set to disk: generated images and a URL list in ImageNet's format."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path

from parley.core.errors import Findings
from parley.core.files import write_text, written_aside
from parley.core.progress import Progress
from parley.synthetic.attributes import CREATURES, Creature
from parley.synthetic.drawing import SMALLEST_PX, draw

logger = logging.getLogger(__name__)

LIST_NAME = "urls.txt"


def draw_world(
    folder: str | Path, images_per_class: int, size_px: int, seed: int, classes: Sequence[str] | None = None
) -> Path:
    """Generate the synthetic images and list them in the format of ImageNet's fall-2011 URL list.

    Images are written to `<folder>/<class>/<nnnn>.png`. Each line of the list has the id `<wnid>_<n>`, a tab and the
    path of the image relative to `folder`. An existing list is removed first and the new list is written last, so all
    listed images exist. Other images in the folder, from an earlier call, are neither removed nor listed.

    Parameters
    ----------
    folder
        Output folder; created if missing.
    images_per_class
        Number of images of each creature, at least 1.
    size_px
        Side of an image, at least 16.
    seed
        Random seed for everything that varies between images.
    classes
        Names of the creatures to draw, in the order in which to list their images; all thirty by default.

    Returns
    -------
    pathlib.Path
        Path of the list, `<folder>/urls.txt`.

    Raises
    ------
    ParleyError
        If any argument is invalid. The error lists all invalid arguments, and nothing is drawn.
    """
    creatures = _chosen(classes, images_per_class, size_px)
    root = Path(folder)
    url_list = root / LIST_NAME
    url_list.unlink(missing_ok=True)
    lines = []
    with Progress("drawing creatures", len(creatures) * images_per_class, "picture") as progress:
        for creature in creatures:
            for index in range(images_per_class):
                name = f"{creature.name}/{index:04d}.png"
                with written_aside(root / name) as aside:
                    aside.write_bytes(png_bytes(creature, index, seed, size_px))
                lines.append(f"{creature.wnid}_{index}\t{name}\n")
                progress.advance(note=creature.name)
    write_text(url_list, "".join(lines))
    logger.info("Drew %d images of %d creatures, listed in %s", len(lines), len(creatures), url_list)
    return url_list


def png_bytes(creature: Creature, index: int, seed: int, size_px: int) -> bytes:
    """Generate an image as PNG bytes. The result depends only on the arguments and the version of Pillow."""
    stream = io.BytesIO()
    draw(creature, index, seed, size_px).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def _chosen(classes: Sequence[str] | None, images_per_class: int, size_px: int) -> list[Creature]:
    findings = Findings()
    if images_per_class < 1:
        findings.add(f"The number of images per class is {images_per_class}; it must be at least 1.")
    if size_px < SMALLEST_PX:
        findings.add(f"Creatures cannot be drawn at {size_px} pixels; ask for {SMALLEST_PX} or more.")
    by_name = {creature.name: creature for creature in CREATURES}
    names = list(by_name) if classes is None else list(classes)
    if not names:
        findings.add("The list of classes is empty; add at least one creature or leave out `classes`.")
    for name in names:
        if name not in by_name:
            findings.add(f"There is no creature called {name}; choose from {', '.join(by_name)}.")
        elif names.count(name) > 1:
            findings.add(f"The creature {name} is listed more than once; list it only once.")
    findings.raise_if_any()
    return [by_name[name] for name in names]
