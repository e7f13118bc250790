"""Process large arrays in blocks of rows, to limit the memory of intermediate results."""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_NUMBERS = 4_000_000
"""Numbers per block: 32 MB in double precision, and several such intermediates."""

Array = NDArray[Any]


def by_case(work: Callable[..., Sequence[Array]], scores: Array, *beside: Array) -> tuple[Array, ...]:
    """Apply a function that treats each case independently, one block of cases at a time.

    Parameters
    ----------
    work
        Takes scores [n, K] and the other arrays [n], and returns arrays [n].
    scores
        [..., K].
    beside
        Other arrays, one value per case: [...], or broadcastable to it.

    Returns
    -------
    tuple of arrays
        The results of `work`, [...] each.

    Raises
    ------
    ValueError
        If an array in `beside` does not broadcast to [...].
    """
    leading = scores.shape[:-1]
    cases = [scores.reshape(-1, scores.shape[-1]), *(np.broadcast_to(each, leading).reshape(-1) for each in beside)]
    found = [work(*(each[rows] for each in cases)) for rows in row_blocks(cases[0].shape)]
    return tuple(np.concatenate(parts).reshape(leading) for parts in zip(*found, strict=True))


def row_blocks(shape: Sequence[int]) -> Iterator[slice]:
    """Yield slices of the first axis of an array [N, ...], at least one, each of at most `MOST_NUMBERS` numbers."""
    rows = max(1, MOST_NUMBERS // max(1, prod(shape[1:])))
    for start in range(0, max(1, shape[0]), rows):
        yield slice(start, min(start + rows, shape[0]))
