"""Metrics of interventions on messages: dialogues with an intervention compared with the same dialogues without it.

An intervention shows what messages cause, a correlation only what they are associated with: Lowe et al. (2019, "On the
pitfalls of measuring emergent communication"); Jaques et al. (2019, "Social influence as intrinsic motivation for
multi-agent deep reinforcement learning").

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
"""The unit of each metric of an intervention."""


def answers_changed(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    """Return the fraction of images whose predicted class changes; the first of equal scores is the prediction.

    Parameters
    ----------
    before, after
        Scores at the stop, without and with the intervention [N, K].
    """
    return float((before.argmax(-1) != after.argmax(-1)).mean())


def prediction_shift(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    """Return how far the final prediction moves, in nats: the Kullback–Leibler divergence, averaged over images.

    It is the sum over candidates of q log(q / p), where p is the softmax of the scores without the intervention and q
    that with it (Kullback and Leibler, 1951, "On information and sufficiency"). Parameters as in `answers_changed`.
    """
    shifts = np.empty(len(before))
    for rows in row_blocks(before.shape):
        p, q = log_probabilities(before[rows]), log_probabilities(after[rows])
        # The divergence of equal predictions may be just below 0, by rounding.
        shifts[rows] = np.maximum((np.exp(q) * (q - p)).sum(-1), 0)
    return float(shifts.mean())


def bits_changed(
    before: NDArray[Any], after: NDArray[Any], active: NDArray[Any], exchanges: Sequence[int]
) -> float | None:
    """Return the mean number of bits that an intervention changes in the messages of some exchanges.

    Parameters
    ----------
    before, after
        Messages of one agent, without and with the intervention [T, N, d].
    active
        1 if the dialogue without it is active when exchange t begins [T, N]; only these messages count.
    exchanges
        Indices of the exchanges, from 0.

    Returns
    -------
    float or None
        None if no dialogue reaches these exchanges.
    """
    rows = list(exchanges)
    made = active[rows].astype(bool)
    return float((before[rows] != after[rows]).sum(-1)[made].mean()) if made.any() else None
