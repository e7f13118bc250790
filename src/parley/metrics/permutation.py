"""Permutation tests: p-values of metrics against their permutation null."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.ranking import Floats

ROUNDING = 1e-9
"""Values that differ less are equal: the same terms were added in another order."""


class Tested(NamedTuple):
    """The value of a metric with its permutation test."""

    value: float
    p: float
    """One-sided: the fraction of permutations with a value at least as good."""
    null: NDArray[np.floating]
    """Values under permutations [P]."""


def against_null(value: float, null: Floats, less_is_better: bool = False) -> Tested:
    """Return the value with its null and p-value."""
    sign = -1.0 if less_is_better else 1.0
    return Tested(value, p_at_least(sign * value, sign * null, ROUNDING), null)


def p_at_least(value: float, null: Floats, tolerance: float) -> float:
    """Return the one-sided p-value of a value that is better if higher, between 1 / (P + 1) and 1.

    The observed value counts as one of the permutations, (1 + count) / (1 + P), so that the test keeps its level
    whatever P is and p is never zero (Phipson and Smyth, 2010, "Permutation p-values should never be zero").

    Parameters
    ----------
    value
        The observed value.
    null
        Values under random permutations [P].
    tolerance
        Null values that are lower by less than this count as equal: sums of the same numbers in another order
        differ by rounding.
    """
    return float((1 + (null >= value - tolerance).sum()) / (1 + len(null)))
