"""A measure against what it is by chance: tests by permutation."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.ranking import Floats

ROUNDING = 1e-9
"""By which the same measure may differ when its terms are added in another order."""


class Tested(NamedTuple):
    """A measure and what it is by chance."""

    value: float
    p: float
    """How often permutations give one as good (one-sided)."""
    null: NDArray[np.floating]
    """The measure under permutations [P]."""


def against_null(value: float, null: Floats, less_is_better: bool = False) -> Tested:
    """Return a measure with its null and p-value."""
    sign = -1.0 if less_is_better else 1.0
    return Tested(value, p_at_least(sign * value, sign * null, ROUNDING), null)


def p_at_least(value: float, null: Floats, tolerance: float) -> float:
    """Return how often chance alone would give a value as high as this one, between 1 / (P + 1) and 1.

    The value found counts as one of the permutations, (1 + count) / (1 + P), so that the test keeps its level
    whatever P is and p is never zero (Phipson and Smyth, 2010, "Permutation p-values should never be zero").

    Parameters
    ----------
    value
        The value found.
    null
        Its values under permutations drawn at random [P].
    tolerance
        What lies less than this below the value counts as equal to it: sums of the same numbers in another order
        differ by rounding.
    """
    return float((1 + (null >= value - tolerance).sum()) / (1 + len(null)))
