"""Some rows of large arrays at a time, so that what is worked out on the way takes little memory."""

from collections.abc import Iterator, Sequence
from math import prod

MOST_NUMBERS = 4_000_000
"""Of a block: 32 MB in double precision, several times over."""


def row_blocks(shape: Sequence[int]) -> Iterator[slice]:
    """Yield slices of the first axis of an array [N, ...], each of some millions of numbers; at least one slice."""
    rows = max(1, MOST_NUMBERS // max(1, prod(shape[1:])))
    for start in range(0, max(1, shape[0]), rows):
        yield slice(start, min(start + rows, shape[0]))
