"""Metrics of interventions on messages: disturbed dialogues compared with the same dialogues undisturbed.

An intervention shows what messages cause; a correlation shows only what they are associated with:
Lowe et al. (2019, "On the pitfalls of measuring emergent communication"); Jaques et al. (2019, "Social
influence as intrinsic motivation for multi-agent deep reinforcement learning").

Shapes: T exchanges, N images, K candidates, d bits per message.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.metrics.exchanges import log_probabilities, row_blocks

UNITS = {
    "accuracy@1": "fraction",
    "accuracy@k": "fraction",
    "length": "exchanges",
    "answers_changed": "fraction",
    "prediction_shift": "nats",
    "bits_changed": "bits",
}
"""Every measure of an intervention with its unit."""


def answers_changed(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    """Return the fraction of images whose predicted class changes; of equal scores the first counts.

    Parameters
    ----------
    before, after
        Scores at the stop, undisturbed and disturbed [N, K].
    """
    return float((before.argmax(-1) != after.argmax(-1)).mean())


def prediction_shift(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    """Return how far the final prediction moves, in nats: mean over images of Kullback–Leibler's divergence.

    It is the sum over candidates of q log(q / p), where p is the softmax of the undisturbed scores and q that of the
    disturbed ones (Kullback and Leibler, 1951, "On information and sufficiency"). Parameters as in `answers_changed`.
    """
    shifts = np.empty(len(before))
    for rows in row_blocks(before.shape):
        p, q = log_probabilities(before[rows]), log_probabilities(after[rows])
        # Rounding may leave the sum of nothing but zeros just below 0.
        shifts[rows] = np.maximum((np.exp(q) * (q - p)).sum(-1), 0)
    return float(shifts.mean())


def bits_changed(
    before: NDArray[Any], after: NDArray[Any], active: NDArray[Any], exchanges: Sequence[int]
) -> float | None:
    """Return the mean number of bits in which the messages of some exchanges differ.

    Parameters
    ----------
    before, after
        One agent's messages, undisturbed and disturbed [T, N, d].
    active
        1 while the undisturbed dialogue is on when exchange t begins [T, N]; only these messages count.
    exchanges
        Indices of the exchanges, from 0.

    Returns
    -------
    float or None
        None where no dialogue gets that far.
    """
    rows = list(exchanges)
    made = active[rows].astype(bool)
    return float((before[rows] != after[rows]).sum(-1)[made].mean()) if made.any() else None
