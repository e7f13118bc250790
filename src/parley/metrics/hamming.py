"""How much an agent's messages change from one exchange to the next, in bits.

Shapes: T exchanges, N images, d bits per message. Of continuous messages the distance is the sum
of absolute differences.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]


def distances(messages: Values) -> NDArray[np.float64]:
    """Return each message's distance ``[T, N]`` from the one before; of the first, from zeros.

    Parameters
    ----------
    messages
        One agent's, ``[T, N, d]``.
    """
    before = np.concatenate([np.zeros_like(messages[:1]), messages[:-1]])
    return np.asarray(np.abs(messages.astype(np.float64) - before).sum(-1))


def mean_change(messages: Values, active: Values) -> float | None:
    """Return the mean distance between an agent's successive messages of exchanges that were made.

    The first message has no previous one and does not count; messages after the stop do not count either.

    Parameters
    ----------
    messages
        One agent's, ``[T, N, d]``.
    active
        1 while the dialogue is still on when exchange t begins, ``[T, N]``.

    Returns
    -------
    float or None
        In bits; None where no dialogue has a second exchange.
    """
    made = active[1:].astype(bool)
    return float(distances(messages)[1:][made].mean()) if made.any() else None


def mean_change_original(messages: Values, active: Values, batch_size: int) -> float:
    """Return what the 2017 code reports as `hamming_sen_mean` or `hamming_rec_mean`, in bits.

    The first message counts with its distance from zeros. Within a batch all images count at all exchanges
    until the last of them has stopped; batches count the same, a short last one too.

    Parameters
    ----------
    messages
        One agent's, ``[T, N, d]``.
    active
        1 while the dialogue is still on when exchange t begins, ``[T, N]``.
    batch_size
        Images of a batch.
    """
    apart = distances(messages)
    means = []
    for start in range(0, active.shape[1], batch_size):
        rows = slice(start, start + batch_size)
        exchanges = int(active[:, rows].sum(0).max())
        means.append(apart[:exchanges, rows].mean())
    return float(np.mean(means))
