"""Entropy of the agents' messages and predictions, in bits."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from parley.metrics.blocks import by_case
from parley.metrics.ranking import Floats, log_probabilities


def message_entropy_bits(probabilities: NDArray[np.floating]) -> Floats:
    """Return the entropy of an agent's message given all it has seen, in bits [...]: the sum over its independent bits.

    This is the agent's uncertainty about one message (0 = every bit is certain, d = every bit is a fair coin), not
    how much messages differ between images.

    Parameters
    ----------
    probabilities
        Probability that each bit is 1 [..., d].

    Raises
    ------
    ValueError
        When a value is not a probability, as with continuous messages.
    """
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("Bit probabilities must lie between 0 and 1; continuous messages have no such entropy.")
    p = probabilities.astype(np.float64)
    return np.asarray(-(xlogy(p, p) + xlogy(1 - p, 1 - p)).sum(axis=-1) / np.log(2))


def prediction_entropy_bits(scores: NDArray[np.floating]) -> Floats:
    """Return the entropy of the softmax over the candidates, in bits [...]: 0 = certain, log2 K = knows nothing.

    Parameters
    ----------
    scores
        Scores of the candidates [..., K].
    """

    def entropy(some: NDArray[np.floating]) -> tuple[Floats]:
        logs = log_probabilities(some)
        return (-(np.exp(logs) * logs).sum(axis=1) / np.log(2),)

    return by_case(entropy, scores)[0]
