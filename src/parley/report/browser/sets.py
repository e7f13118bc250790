"""One message file as the page stores it: metadata and packed arrays."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from parley.metrics.conversations import read_conversations
from parley.report.browser.attention import attention_arrays
from parley.report.browser.bits import bit_arrays
from parley.report.browser.packing import Block, pack
from parley.report.browser.survey import Source
from parley.report.browser.talks import talk_arrays

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
