"""Build the browser page: one HTML file with all dialogues, images and scripts."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from parley import __version__
from parley.analysis.summary import PARTS
from parley.core.files import write_text
from parley.metrics.conversations import read_conversations
from parley.report.browser.arrays import attention_arrays, bit_arrays, dialogue_arrays, pack, seen_fraction
from parley.report.browser.survey import FILE_BYTES, IN_BASE64, Source, images_per_class, sampled, survey
from parley.report.page.inline import read_thumbnails
from parley.text.descriptions import read_descriptions

SIDE_PX = 96
"""Longest side of an image on the page, in pixels."""
PICTURE_MAX_BYTES = 2900
"""Maximum size of a JPEG, so that its base64 and its key together take less than `survey.PICTURE_BYTES`."""
SCRIPTS = (
    *("dom", "data", "dialogues", "state", "filters", "nearest", "pictures", "cards", "list", "legend"),
    *("message", "ranking", "attention", "dialogue", "bits", "keys", "main"),
)
"""Scripts of the page, in loading order."""
NOT_FINITE = "Some of its scores or messages are not finite numbers: the run diverged."


def build_browser(
    *,
    experiment: str,
    messages: Sequence[str | Path],
    out: str | Path,
    attention: Sequence[str | Path] = (),
    descriptions: str | Path | None = None,
    image_tars: Sequence[str | Path] = (),
    features: str | Path | None = None,
    max_mb: float = 25,
) -> None:
    """Write the browser page as one self-contained HTML file.

    Parameters
    ----------
    experiment
        Name of the experiment, shown in the title of the page.
    messages
        Paths of ``messages.hdf5`` and ``messages.<part>.hdf5`` of all runs and seeds. The file of a failed seed
        contains only the reason for the failure.
    out
        Path of the page to write.
    attention
        Paths of the existing files ``attention.hdf5`` and ``attention.<part>.hdf5``.
    descriptions
        Path of ``descriptions.csv``.
    image_tars
        Class tars with the images.
    features
        Feature file of any split, which stores how much of an image the network saw.
    max_mb
        Size limit of the page in megabytes. If not all images fit, the page shows only the first images of each class
        and split, in order of their keys. The selection is the same for every run and seed.

    Raises
    ------
    ParleyError
        If a file is missing or malformed.
    """
    sources, images = survey(messages, attention)
    per_class = _images_per_class(sources, images, max_mb)
    keys = {part: sampled(of_part, per_class) for part, of_part in images.items()}
    numbers: dict[str, dict[str, int]] = {}
    start = 0
    for part, own in keys.items():
        numbers[part] = {key: number for number, key in enumerate(own, start)}
        start += len(own)
    shared: dict[str, int] = {}
    sets = [packed_set(source, numbers.get(source.images, {}), shared) for source in _in_order(sources)]
    rows = read_descriptions(descriptions) if descriptions is not None else []
    index = {
        "experiment": experiment,
        "version": __version__,
        "max_mb": max_mb,
        "per_class": per_class,
        "parts": PARTS,
        "groups": {
            part: {"keys": own, "total": len(images[part]), "start": numbers[part][own[0]]}
            for part, own in keys.items()
        },
        "shared": [json.loads(text) for text in shared],
        "descriptions": {row.label: row.text for row in rows},
        "seen": seen_fraction(features),
        "sets": [entry for entry, _ in sets],
    }
    wanted = {key for own in keys.values() for key in own}
    jpegs = read_thumbnails(image_tars, wanted, SIDE_PX, PICTURE_MAX_BYTES) if image_tars else {}
    # One line per image key, in the order of the keys: the image in base64; an empty line if it is missing.
    pictures = {
        part: "\n".join(base64.b64encode(jpegs.get(key, b"")).decode() for key in own) for part, own in keys.items()
    }
    write_text(out, _rendered(experiment, index, [block for _, block in sets], pictures))


def _images_per_class(sources: Sequence[Source], images: Mapping[str, Mapping[str, int]], max_mb: float) -> int | None:
    each = {part: sum(source.bytes_each for source in sources if source.images == part) for part in images}
    other = sum(FILE_BYTES + IN_BASE64 * source.other_bytes for source in sources)
    return images_per_class(images, each, max_mb, other)


def _in_order(sources: Sequence[Source]) -> list[Source]:
    """Sort message files by run (in the given order), seed and split (in the order of `PARTS`)."""
    runs = list(dict.fromkeys(source.run for source in sources))
    parts = list(PARTS)
    return sorted(sources, key=lambda one: (runs.index(one.run), one.seed, parts.index(one.part)))


def packed_set(source: Source, images: Mapping[str, int], shared: dict[str, int]) -> tuple[dict[str, Any], str]:
    """Pack the dialogues of one run, seed and split for the page.

    Parameters
    ----------
    source
        The message file, as described by `survey`.
    images
        Image key → index of the image on the page; dialogues about other images are omitted.
    shared
        JSON of candidates or words → index. The page stores each entry once for all files. New entries are added.

    Returns
    -------
    dict
        Entry of the page's index: `run`, `seed`, `part` and `failed` (why there are no dialogues, or None). If there
        are dialogues, also their number in the file (`total`) and on the page (`shown`), `bits` per message, maximum
        `exchanges`, `candidates` (index in `shared`), `entropy` of the classes in bits, `step` of continuous messages
        (0 for bits), `grid` and `words` (index in `shared`) of the attention, and `layout` of the arrays.
    str
        The packed arrays; empty if there are no dialogues.
    """
    entry: dict[str, Any] = {"run": source.run, "seed": source.seed, "part": source.part, "failed": source.failed}
    if source.failed is not None:
        return entry, ""
    dialogues = read_conversations(source.path)
    if not dialogues.finite:
        return {**entry, "failed": NOT_FINITE}, ""
    rows = np.array([row for row, key in enumerate(dialogues.keys) if key in images], dtype=np.int64)
    arrays, step = dialogue_arrays(dialogues, rows, images)
    of_bits, entropy = bit_arrays(dialogues)
    grid: list[int] = []
    words: list[list[str]] = []
    if source.attention is not None:
        predicted = arrays["top"][np.arange(len(rows)), arrays["length"].astype(np.int64) - 1, 0]
        columns = np.stack([arrays["target"], predicted], axis=1).astype(np.int64)
        keys = [dialogues.keys[row] for row in rows]
        of_attention, grid, words = attention_arrays(source.attention, keys, columns)
        arrays |= of_attention
    layout, block = pack(arrays | of_bits)

    def number(value: Any) -> int:
        return shared.setdefault(json.dumps(value), len(shared))

    entry |= {
        "total": len(dialogues.keys),
        "shown": len(rows),
        "bits": dialogues.sender_messages.shape[-1],
        "exchanges": dialogues.talking.shape[1],
        "candidates": number({"labels": dialogues.labels, "ids": dialogues.candidate_ids}),
        "entropy": entropy,
        "step": step,
        "grid": grid,
        "words": number(words),
        "layout": layout,
    }
    return entry, block


def _rendered(experiment: str, index: Mapping[str, Any], blocks: Sequence[str], pictures: Mapping[str, str]) -> str:
    loader = PackageLoader("parley.report.browser")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )

    def own_file(name: str) -> Markup:
        """Return one of the page's files verbatim, without template substitution."""
        return Markup(loader.get_source(environment, name)[0])  # noqa: S704 - no text from outside  # nosec B704

    return environment.get_template("browser.html.j2").render(
        experiment=experiment,
        index=in_script(index),
        blocks=blocks,
        pictures=pictures,
        style=own_file("browser.css"),
        scripts=[own_file(f"{name}.js") for name in SCRIPTS],
    )


def in_script(value: Any) -> Markup:
    """Return a value as JSON that is safe inside an HTML script: ASCII without `<`, `>` and `&`."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped  # nosec B704
