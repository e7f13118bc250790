"""Metrics that compare dialogues with an intervention on messages to the same dialogues without the intervention.

An intervention shows the effects that messages cause, whereas a correlation only shows associations: Lowe et al. (2019,
"On the pitfalls of measuring emergent communication"); Jaques et al. (2019, "Social influence as intrinsic motivation
for multi-agent deep reinforcement learning").

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
"""Unit of each metric of an intervention."""


def answers_changed(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    """Return the fraction of images whose predicted class changes. If scores tie, the first candidate is predicted.

    Parameters
    ----------
    before, after
        ``[N, K]``: scores at the last exchange, without and with the intervention.
    """
    return float((before.argmax(-1) != after.argmax(-1)).mean())


def prediction_shift(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    """Return the mean Kullback–Leibler divergence between final predictions with and without intervention, in nats.

    It is the sum over candidates of q log(q / p), where p and q are the softmax of the scores without and with the
    intervention (Kullback and Leibler, 1951, "On information and sufficiency"). Parameters as in `answers_changed`.
    """
    shifts = np.empty(len(before))
    for rows in row_blocks(before.shape):
        p, q = log_probabilities(before[rows]), log_probabilities(after[rows])
        # Rounding errors can make the divergence of equal predictions slightly negative.
        shifts[rows] = np.maximum((np.exp(q) * (q - p)).sum(-1), 0)
    return float(shifts.mean())


def bits_changed(
    before: NDArray[Any], after: NDArray[Any], active: NDArray[Any], exchanges: Sequence[int]
) -> float | None:
    """Return the mean number of bits per message that an intervention changes, over the given exchanges.

    Parameters
    ----------
    before, after
        ``[T, N, d]``: messages of one agent, without and with the intervention.
    active
        ``[T, N]``: 1 if the dialogue without the intervention is active when exchange t begins, else 0. Messages of
        inactive dialogues are ignored.
    exchanges
        Indices of the exchanges, from 0.

    Returns
    -------
    float or None
        None if no dialogue is active at these exchanges.
    """
    rows = list(exchanges)
    made = active[rows].astype(bool)
    return float((before[rows] != after[rows]).sum(-1)[made].mean()) if made.any() else None
