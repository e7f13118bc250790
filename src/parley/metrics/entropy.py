"""How undecided the agents are, in bits."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from parley.metrics.blocks import row_blocks
from parley.metrics.ranking import Floats, log_probabilities


def message_entropy_bits(probabilities: NDArray[np.floating]) -> Floats:
    """Return the entropy of an agent's message given all it has seen, in bits [...]: the sum over its independent bits.

    This is the agent's own indecision (0 = every bit is settled, d = every bit is a coin), not how much
    messages differ between images.

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
    cases = scores.reshape(-1, scores.shape[-1])
    found = np.empty(len(cases))
    for rows in row_blocks(cases.shape):
        logs = log_probabilities(cases[rows])
        found[rows] = -(np.exp(logs) * logs).sum(axis=1) / np.log(2)
    return found.reshape(scores.shape[:-1])
