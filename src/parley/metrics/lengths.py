"""Length of a dialogue, counted in two ways."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def exchanges(talking: Bools) -> Ints:
    """Count the exchanges [N]: a Sender's message and the Receiver's answer are one.

    Parameters
    ----------
    talking
        Whether the dialogue is still on when exchange t begins [N, T].
    """
    return np.asarray(talking.sum(axis=-1), dtype=np.int64)


def go_on_bits(go_on: Bools, talking: Bools) -> Ints:
    """Count as the original code does [N]: decisions to go on, taken while the dialogue is on.

    It is one less than the number of exchanges, except for a dialogue that wanted to go on at the
    last allowed exchange, where it is the number of exchanges (PAPER.md, item 10; the original's
    `model.py`).

    Parameters
    ----------
    go_on
        The Receiver's decision at exchange t, true = go on [N, T].
    talking
        Whether the dialogue is still on when exchange t begins [N, T].
    """
    return np.asarray((go_on & talking).sum(axis=-1), dtype=np.int64)
