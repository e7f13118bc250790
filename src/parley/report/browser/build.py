"""Build the browser page: one HTML file with all dialogues, images and scripts."""

import base64
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from parley import __version__
from parley.core.files import write_text
from parley.metrics.conversations import read_conversations
from parley.report.browser.arrays import Block, attention_arrays, bit_arrays, pack, seen_share, talk_arrays
from parley.report.browser.survey import FILE_BYTES, IN_BASE64, Source, Survey, images_per_class, sampled, survey
from parley.report.figures.registry import TITLES
from parley.report.page.inline import read_thumbnails
from parley.text.descriptions import read_descriptions

NOT_FINITE = "Some of its scores or messages are not finite numbers: it has diverged."


def packed_set(
    source: Source, images: Mapping[str, int], shared: dict[str, int]
) -> tuple[dict[str, Any], Block | None]:
    """Pack the dialogues of one run, seed and split for the page.

    Parameters
    ----------
    source
        The file.
    images
        Number of each image that is shown, by its key; conversations about others are left out.
    shared
        What files have in common, candidates and words: the place of each by its JSON; what is not in it is added.

    Returns
    -------
    dict
        For the page's index: `run`, `seed`, `part`, `failed` (why there are none; None where there are), `total`,
        `shown`, `bits`, `exchanges`, `candidates` (place), `entropy` of the classes in bits, `step` of continuous
        messages (0 of bits), `grid` and `words` (place) of attention, and the `layout` of the arrays.
    Block or None
        The arrays; None where there are none.
    """
    told: dict[str, Any] = {"run": source.run, "seed": source.seed, "part": source.part, "failed": source.failed}
    if source.failed is not None:
        return told, None
    said = read_conversations(source.path)
    if not said.finite:
        return {**told, "failed": NOT_FINITE}, None
    rows = np.array([row for row, key in enumerate(said.keys) if key in images], dtype=np.int64)
    arrays, step = talk_arrays(said, rows, images)
    of_bits, entropy = bit_arrays(said)
    grid: list[int] = []
    words: list[list[str]] = []
    if source.attention is not None:
        # As the page counts it: among candidates with equal scores, the true one comes last.
        named = arrays["top"][np.arange(len(rows)), arrays["length"].astype(np.int64) - 1, 0]
        columns = np.stack([arrays["target"], named], axis=1).astype(np.int64)
        of_attention, grid, words = attention_arrays(source.attention, [said.keys[row] for row in rows], columns)
        arrays |= of_attention
    block = pack(arrays | of_bits)
    told |= {
        "total": len(said.keys),
        "shown": len(rows),
        "bits": said.sender_messages.shape[-1],
        "exchanges": said.talking.shape[1],
        "candidates": _place({"labels": said.labels, "ids": said.candidate_ids}, shared),
        "entropy": entropy,
        "step": step,
        "grid": grid,
        "words": _place(words, shared),
        "layout": block.layout,
    }
    return told, block


def _place(value: Any, shared: dict[str, int]) -> int:
    return shared.setdefault(json.dumps(value), len(shared))


SIDE_PX = 96
"""Longest side of an image on the page, in pixels."""
PICTURE_MAX_BYTES = 2900
"""JPEG quality. At this quality an image and its key stay below what `sampling` reserves for them."""
SCRIPTS = (
    *("dom", "data", "talks", "state", "filters", "nearest", "pictures", "cards", "list"),
    *("message", "ranking", "attention", "talk", "bits", "keys", "main"),
)
"""Scripts of the page, in loading order."""


class Shown(NamedTuple):
    """The images that the page shows."""

    per_class: int | None
    """Maximum images of each class and split; None for all."""
    keys: dict[str, list[str]]
    """Of each part."""
    numbers: dict[str, dict[str, int]]
    """Of each part: the number of each image on the page, by its key."""


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
    """Write the browser: one self-contained page.

    Parameters
    ----------
    experiment
        Its name, the page's title.
    messages
        ``messages.hdf5`` and ``messages.<part>.hdf5`` of all runs and seeds; markers of those that failed too.
    out
        The page.
    attention
        ``attention.hdf5`` and ``attention.<part>.hdf5``, of those that have them.
    descriptions
        ``descriptions.csv``.
    image_tars
        Class tars, from which pictures are taken.
    features
        A part's file of features, which says how much of a picture the network saw.
    max_mb
        Of the page, in millions of bytes. Beyond it, of each class and part only the first so many images by key are
        shown, the same ones of every run and seed.

    Raises
    ------
    ParleyError
        When a file is missing or not what it should be.
    """
    found = survey(messages, attention)
    shown = _choose(found, max_mb)
    texts = {row.label: row.text for row in read_descriptions(descriptions)} if descriptions is not None else {}
    shared: dict[str, int] = {}
    sets, blocks = [], []
    for source in _in_order(found.sources):
        told, block = packed_set(source, shown.numbers.get(source.images, {}), shared)
        sets.append(told)
        blocks.append(block)
    index = {
        "experiment": experiment,
        "version": __version__,
        "max_mb": max_mb,
        "per_class": shown.per_class,
        "titles": TITLES,
        "groups": {
            part: {"keys": keys, "total": len(found.images[part]), "start": shown.numbers[part][keys[0]]}
            for part, keys in shown.keys.items()
        },
        "shared": [json.loads(text) for text in shared],
        "descriptions": texts,
        "seen": seen_share(features),
        "sets": sets,
    }
    write_text(out, _rendered(experiment, index, blocks, _pictures(shown, image_tars)))


def _choose(found: Survey, max_mb: float) -> Shown:
    taken: dict[str, int] = defaultdict(int)
    for source in found.sources:
        taken[source.images] += source.bytes_each
    besides = sum(FILE_BYTES + IN_BASE64 * source.bytes_besides for source in found.sources)
    per_class = images_per_class(found.images, taken, max_mb, besides)
    keys = {part: sampled(images, per_class) for part, images in found.images.items()}
    numbers: dict[str, dict[str, int]] = {}
    start = 0
    for part, own in keys.items():
        numbers[part] = {key: start + place for place, key in enumerate(own)}
        start += len(own)
    return Shown(per_class, keys, numbers)


def _in_order(sources: Sequence[Source]) -> list[Source]:
    """Sort files by split, held-out splits first; keep the order of runs."""
    runs = list(dict.fromkeys(source.run for source in sources))
    parts = list(TITLES)
    return sorted(sources, key=lambda one: (runs.index(one.run), one.seed, parts.index(one.part)))


def _pictures(shown: Shown, tars: Sequence[str | Path]) -> dict[str, str]:
    """Return the pictures of each part's images, one a line in base64, in the order of its keys; empty where none."""
    wanted = {key for keys in shown.keys.values() for key in keys}
    found = read_thumbnails(tars, wanted, SIDE_PX, PICTURE_MAX_BYTES) if tars else {}
    return {
        part: "\n".join(base64.b64encode(found.get(key, b"")).decode() for key in keys)
        for part, keys in shown.keys.items()
    }


def _rendered(
    experiment: str, index: Mapping[str, Any], blocks: Sequence[Block | None], pictures: Mapping[str, str]
) -> str:
    environment = Environment(
        loader=PackageLoader("parley.report.browser"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("browser.html.j2").render(
        experiment=experiment,
        index=in_script(index),
        blocks=[block.text if block is not None else "" for block in blocks],
        pictures=pictures,
        style=_own_file(environment, "browser.css"),
        scripts=[_own_file(environment, f"{name}.js") for name in SCRIPTS],
    )


def in_script(value: Any) -> Markup:
    """Return a value as JSON that is safe inside HTML: no `<`, no `&`, ASCII only."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped  # nosec B704


def _own_file(environment: Environment, name: str) -> Markup:
    """Return one of the page's files verbatim, without template substitution."""
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])  # noqa: S704 - no text from outside  # nosec B704
