"""The p-value of a test by permutation."""

from parley.metrics.ranking import Floats


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
