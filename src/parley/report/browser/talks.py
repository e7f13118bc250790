"""Dialogues as compact arrays for the page.

Letters of shapes: N conversations, T exchanges, d bits a message, K candidates, L leaders.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.metrics.blocks import row_blocks
from parley.metrics.conversations import Conversations
from parley.metrics.ranking import log_probabilities
from parley.report.browser.packing import NUMBER_STEPS, coarse, fine, packed_bits, stepped

LEADERS = 5
"""Number of best candidates kept for each exchange, in addition to the true one."""

Arrays = dict[str, NDArray[Any]]


def conversation_bytes(exchanges: int, bits: int, candidates: int, continuous: bool, cells: int, words: int) -> int:
    """Return the bytes of one dialogue, including its attention over the given numbers of cells and words."""
    leaders = min(LEADERS, candidates)
    message = 2 * bits if continuous else bits + (bits + 7) // 8
    each = 4 * leaders + 2 + 2 + 2 + 1 + 2 * message
    each += (2 + cells if cells else 0) + (2 * (2 + words) if words else 0)
    return 4 + 2 + 2 + exchanges * each


def talk_arrays(said: Conversations, rows: NDArray[np.int64], images: Mapping[str, int]) -> tuple[Arrays, float]:
    """Pack dialogues as arrays, with the quantisation step of continuous messages.

    Parameters
    ----------
    said
        The dialogues; finite.
    rows
        Which of the conversations.
    images
        Number of each image on the page, by its key.

    Returns
    -------
    dict
        `image` [N], `target` [N] (the true class's column), `length` [N] in exchanges, `top` [N, T, L] (columns of
        the best candidates, best first), `top_share` [N, T, L] and `true_share` [N, T] (probabilities), `rank`
        [N, T] (of the true class, behind candidates of the very same score), `go_share` and `goes_on` [N, T]; and of
        each agent `<agent>_bits` and `<agent>_shares`, or where messages are continuous `<agent>_numbers`.
    float
        What a step of `<agent>_numbers` is; 0 where messages are bits.
    """
    targets = said.targets[rows]
    arrays: Arrays = {
        "image": np.array([images[said.keys[row]] for row in rows.tolist()], dtype=np.uint32),
        "target": targets.astype(np.uint16),
        "length": said.lengths[rows].astype(np.uint16),
        **_rankings(said, rows),
        "go_share": fine(said.go_on_probabilities[rows]),
        "goes_on": said.go_on[rows].astype(np.uint8),
    }
    step = 0.0
    if not said.binary:
        spoken = (said.sender_values[rows], said.receiver_values[rows])
        step = max((float(np.abs(values).max(initial=0.0)) for values in spoken), default=0.0) / NUMBER_STEPS or 1.0
    for agent in ("sender", "receiver"):
        values = getattr(said, f"{agent}_values")[rows]
        if said.binary:
            arrays[f"{agent}_bits"] = packed_bits(getattr(said, f"{agent}_messages")[rows])
            arrays[f"{agent}_shares"] = coarse(values)
        else:
            arrays[f"{agent}_numbers"] = stepped(values, step * NUMBER_STEPS)
    return arrays, step


def _rankings(said: Conversations, rows: NDArray[np.int64]) -> Arrays:
    """Return the arrays about candidates: `top`, `top_share`, `true_share` and `rank`."""
    shape = (len(rows), *said.scores.shape[1:])
    blocks = [_ranking(said.scores[rows[some]], said.targets[rows[some]]) for some in row_blocks(shape)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _ranking(scores: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> Arrays:
    shares = np.exp(log_probabilities(scores))
    own = np.take_along_axis(scores, targets[:, None, None], axis=-1)
    top = _leaders(scores, targets)
    return {
        "top": top.astype(np.uint16),
        "top_share": fine(np.take_along_axis(shares, top, axis=-1)),
        "true_share": fine(np.take_along_axis(shares, targets[:, None, None], axis=-1)[..., 0]),
        "rank": (scores >= own).sum(axis=-1).astype(np.uint16),
    }


def _leaders(scores: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the columns of the best candidates [N, T, L]; among ties the true class comes last, as in its rank."""
    columns = np.broadcast_to(np.arange(scores.shape[-1]), scores.shape)
    is_true = columns == targets[:, None, None]
    order = np.lexsort((columns, is_true, -scores), axis=-1)
    return np.asarray(order[..., :LEADERS])
