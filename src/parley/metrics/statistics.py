"""Statistics over seeds or cases: t intervals, correlation, paired comparison and Holm's correction.

Shapes: n is the number of values or of pairs, m the number of comparisons.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

CONFIDENCE = 0.95
EXACT_PAIRS = 16
"""Maximum number of pairs for an exact test with all 2^n sign flips; with more pairs, 2^16 random flips are used."""
ROUNDING = 1e-12
"""Relative tolerance of comparisons, to allow for rounding errors."""


class Interval(NamedTuple):
    """Mean, standard deviation and t interval of n values. A statistic is None if n is too small for it."""

    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    n: int


def over_seeds(values: Sequence[float | None], seeds: int) -> dict[str, float | int | None]:
    """Return statistics over seeds as columns of a tidy table: ``mean, sd, low, high, n_seeds, seeds_failed``.

    Parameters
    ----------
    values
        One value per seed; None for a seed without a value.
    seeds
        Expected number of seeds. All seeds without a value count as failed.
    """
    over = t_interval([value for value in values if value is not None])
    columns: dict[str, float | int | None] = {"mean": over.mean, "sd": over.sd, "low": over.low, "high": over.high}
    return {**columns, "n_seeds": over.n, "seeds_failed": seeds - over.n}


def t_interval(values: Sequence[float]) -> Interval:
    """Return the mean, the sample standard deviation (n - 1) and the 95 % Student t interval of the mean.

    The interval is symmetric and not clipped to the range of the metric: for an accuracy, its upper end may exceed 1.
    Without values, all results are None; with one value, all except the mean are None. Values must be finite.
    """
    n = len(values)
    if n == 0:
        return Interval(None, None, None, None, 0)
    mean = float(np.mean(values))
    if n == 1:
        return Interval(mean, None, None, None, 1)
    sd = float(np.std(values, ddof=1))
    half = float(t_half_width(np.array(sd), n))
    return Interval(mean, sd, mean - half, mean + half, n)


def t_half_width(sd: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return half the width of the 95 % t interval of a mean, given the standard deviation of n ≥ 2 values."""
    return np.asarray(sd * stdtrit(n - 1, (1 + CONFIDENCE) / 2) / np.sqrt(n))


class Correlation(NamedTuple):
    """Pearson correlation r of two metrics over n cases, with its 95 % interval."""

    r: float
    low: float
    high: float
    n: int


def correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> Correlation | None:
    """Return the Pearson correlation of two metrics over the same cases.

    The interval uses Fisher's transformation: z = atanh r is approximately normal with standard deviation
    1 / sqrt(n - 3) (Fisher, 1921, "On the probable error of a coefficient of correlation").

    Parameters
    ----------
    x, y
        ``[n]``: one value per case. Cases in which either value is not finite are ignored.

    Returns
    -------
    Correlation | None
        None with fewer than four cases, or if one metric is constant.
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y, n = x[known], y[known], int(known.sum())
    if n < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    if abs(r) == 1:
        return Correlation(r, r, r, n)
    half = float(ndtri((1 + CONFIDENCE) / 2)) / np.sqrt(n - 3)
    return Correlation(r, float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half)), n)


class Comparison(NamedTuple):
    """Comparison of two runs over n paired seeds. Differences are first run minus second, in the unit of the values."""

    n: int
    difference: float | None
    """Mean difference; None without pairs."""
    low: float | None
    high: float | None
    """Upper end of the 95 % t interval of the mean difference; None with fewer than two pairs."""
    t_p: float | None
    """Two-sided p-value of the paired t-test (Student, 1908); None with fewer than two pairs or equal differences."""
    sign_flip_p: float | None
    """Two-sided p-value of the sign-flip test. It is at least 2 / 2^n, so with five seeds it is never below 0.06."""
    d_z: float | None
    """Mean difference divided by the standard deviation of the differences (Cohen, 1988); None if `t_p` is None."""


def paired_comparison(
    first: Sequence[float], second: Sequence[float], generator: np.random.Generator | None = None
) -> Comparison:
    """Compare two runs over the same seeds.

    Parameters
    ----------
    first, second
        ``[n]``: values of each run, one per seed, with the seeds in the same order.
    generator
        Random number generator for the sign flips; needed only with more than 16 pairs.

    Raises
    ------
    ValueError
        If the runs have different numbers of values, a value is not finite, or a required generator is missing.
    """
    pairs = np.array([first, second], dtype=np.float64) if len(first) == len(second) else np.full((2, 1), np.nan)
    if not np.isfinite(pairs).all():
        raise ValueError("A paired comparison needs a finite value of both runs for each seed.")
    n, apart = len(first), pairs[0] - pairs[1]
    if n == 0:
        return Comparison(0, None, None, None, None, None, None)
    interval = t_interval(apart.tolist())
    flips = sign_flip_p(apart, generator)
    mean, sd = float(apart.mean()), interval.sd
    if sd is None or sd <= ROUNDING * np.abs(pairs).max():
        return Comparison(n, mean, interval.low, interval.high, None, flips, None)
    t_p = float(2 * stdtr(n - 1, -abs(mean) / (sd / np.sqrt(n))))
    return Comparison(n, mean, interval.low, interval.high, t_p, flips, mean / sd)


def sign_flip_p(differences: NDArray[np.float64], generator: np.random.Generator | None = None) -> float:
    """Return the two-sided p-value of the mean difference under random sign flips of the differences.

    Fisher (1935, "The design of experiments", section 21). With up to 16 differences, all 2^n flips are enumerated,
    including the observed signs, and the p-value is exact. With more differences, 2^16 flips are drawn.

    Parameters
    ----------
    differences
        ``[n]``: first value minus second value of each pair.
    generator
        Random number generator for the sign flips; needed only with more than 16 pairs.
    """
    n = len(differences)
    enough = np.abs(differences.sum()) - ROUNDING * np.abs(differences).sum()
    if n <= EXACT_PAIRS:
        flipped = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1 - 2 * flipped) @ differences) >= enough).mean())
    if generator is None:
        raise ValueError(f"With more than {EXACT_PAIRS} pairs, sign flips are drawn at random; pass a `generator`.")
    flipped = generator.integers(0, 2, (2**EXACT_PAIRS, n), dtype=np.int8)
    sums = np.abs((1 - 2 * flipped) @ differences)
    return float((1 + (sums >= enough).sum()) / (1 + len(sums)))


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return p-values corrected for multiple comparisons, ``[m]``, in the order of the arguments.

    Holm (1979, "A simple sequentially rejective multiple test procedure"): the smallest p-value is multiplied by m, the
    next by m - 1, and so on. No result may be below the previous one or above 1. If corrected p-values below 0.05 are
    rejected, the probability of any false rejection is at most 5 %.

    Parameters
    ----------
    p_values
        ``[m]``: one p-value per comparison.

    Raises
    ------
    ValueError
        If a p-value is not between 0 and 1.
    """
    p = np.array(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("P-values must lie between 0 and 1.")
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return corrected
