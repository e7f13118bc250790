"""Some rows of large arrays at a time, so that what is worked out on the way takes little memory."""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_NUMBERS = 4_000_000
"""Of a block: 32 MB in double precision, several times over."""

Array = NDArray[Any]


def by_case(work: Callable[..., Sequence[Array]], scores: Array, *beside: Array) -> tuple[Array, ...]:
    """Work on each case's scores by itself, a block of cases at a time.

    Parameters
    ----------
    work
        Takes scores [n, K] and what stands beside them [n], and returns arrays [n].
    scores
        [..., K].
    beside
        Of each case [...], or what broadcasts to that.

    Returns
    -------
    tuple of arrays
        What `work` returned, [...] each.

    Raises
    ------
    ValueError
        When what stands beside the scores is of other cases.
    """
    leading = scores.shape[:-1]
    cases = [scores.reshape(-1, scores.shape[-1]), *(np.broadcast_to(each, leading).reshape(-1) for each in beside)]
    found = [work(*(each[rows] for each in cases)) for rows in row_blocks(cases[0].shape)]
    return tuple(np.concatenate(parts).reshape(leading) for parts in zip(*found, strict=True))


def row_blocks(shape: Sequence[int]) -> Iterator[slice]:
    """Yield slices of the first axis of an array [N, ...], each of some millions of numbers; at least one slice."""
    rows = max(1, MOST_NUMBERS // max(1, prod(shape[1:])))
    for start in range(0, max(1, shape[0]), rows):
        yield slice(start, min(start + rows, shape[0]))
