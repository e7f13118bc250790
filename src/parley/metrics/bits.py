"""Metrics of single message bits: frequency of 1, entropy, mutual information with the class.

Shapes: N dialogues, d bits per message.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.metrics.information import codes, row_entropies, row_information
from parley.metrics.ranking import Floats, Ints

Bools = NDArray[np.bool_]


def as_bits(messages: NDArray[Any]) -> Ints:
    """Return messages as integers [N, d].

    Raises
    ------
    ValueError
        If there is no message, or a value is neither 0 nor 1, as with continuous messages.
    """
    if messages.ndim != 2 or len(messages) == 0:
        raise ValueError("Messages must be the rows of a table, one at least.")
    if not np.isin(messages, (0, 1)).all():
        raise ValueError("Only messages of bits can be measured bit by bit; these hold other values than 0 and 1.")
    return messages.astype(np.int64)


def bit_use(messages: NDArray[Any]) -> Floats:
    """Return the fraction of messages [N, d] in which each bit is 1 [d]."""
    return np.asarray(as_bits(messages).mean(axis=0))


def bit_entropies(messages: NDArray[Any]) -> Floats:
    """Return the entropy of each bit over the messages [N, d], in bits [d]: 0 = never changes, 1 = half are 1.

    Plug-in estimate; see `information`. It measures how much a bit differs between images;
    `entropy.message_entropy_bits` measures how uncertain the agent is about one image.
    """
    return row_entropies(as_bits(messages).T)[0]


def dead_bits(messages: NDArray[Any]) -> Bools:
    """Return for each bit whether it is the same in all messages [N, d], and so carries nothing [d]."""
    return np.asarray(np.ptp(as_bits(messages), axis=0) == 0)


def bit_information(messages: NDArray[Any], labels: NDArray[Any]) -> Floats:
    """Return the mutual information of each bit with the class, in bits [d] (Miller–Madow).

    Exactly 0 for a dead bit; slightly below 0 for an independent bit (see `information.row_information`).

    Parameters
    ----------
    messages
        Bits [N, d].
    labels
        Class of each dialogue [N].
    """
    return row_information(as_bits(messages).T, codes(labels)).miller_madow


def distinct_fraction(messages: NDArray[Any]) -> float:
    """Return the number of distinct messages over the number of messages [N, d]: 1 / N = always the same, 1 = never."""
    return float((codes(messages).max() + 1) / len(messages))
