"""Statistics over seeds or cases: t intervals, correlation, paired comparison and Holm's correction.

Shapes: n values, pairs or cases, m comparisons.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from parley.metrics.exchanges import Floats

CONFIDENCE = 0.95
EXACT_PAIRS = 16
"""Up to this number of pairs, all 2^n flips are enumerated; beyond it, 2^16 flips are drawn at random."""
ROUNDING = 1e-12
"""Relative to the largest value: differences that differ less are equal up to rounding."""


class Interval(NamedTuple):
    """Mean over n seeds with its t interval; None for what the number of seeds does not determine."""

    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    n: int


def over_seeds(values: Sequence[float | None], seeds: int) -> dict[str, float | int | None]:
    """Return the columns of a tidy table that describe a mean: ``mean, sd, low, high, n_seeds, seeds_failed``.

    Parameters
    ----------
    values
        One per seed; None for a seed that has none.
    seeds
        Expected number of seeds; those without a value count as failed.
    """
    over = t_interval([value for value in values if value is not None])
    columns: dict[str, float | int | None] = {"mean": over.mean, "sd": over.sd, "low": over.low, "high": over.high}
    return {**columns, "n_seeds": over.n, "seeds_failed": seeds - over.n}


def t_interval(values: Sequence[float]) -> Interval:
    """Return mean, sample standard deviation (n - 1) and two-sided 95 % Student t interval of the mean.

    The interval is symmetric and not clipped to the range of the metric: that of an accuracy may exceed 1. Without
    values, all are None; with one value, sd and interval are None. Values must be finite.
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
    """Return half the width of the 95 % t interval of a mean of n ≥ 2 values with standard deviation `sd` [...]."""
    return np.asarray(sd * stdtrit(n - 1, (1 + CONFIDENCE) / 2) / np.sqrt(n))


class Correlation(NamedTuple):
    """Pearson's r of n cases with its 95 % interval."""

    r: float
    low: float
    high: float
    n: int


def correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> Correlation | None:
    """Correlate two metrics of the same cases.

    The interval is Fisher's: z = atanh r is nearly normal with standard deviation 1 / sqrt(n - 3) (Fisher, 1921, "On
    the probable error of a coefficient of correlation").

    Parameters
    ----------
    x, y
        One value per case [n]; cases where either is NaN are left out.

    Returns
    -------
    Correlation | None
        None with fewer than four cases, or if one metric does not vary.
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
    """First run minus second, in the unit of the values; None for what the number of pairs does not determine."""

    n: int
    difference: float | None
    """Mean difference; None without a pair."""
    low: float | None
    high: float | None
    """95 % t interval of the mean difference; None with one pair."""
    t_p: float | None
    """Two-sided p of the paired t-test (Student, 1908); None where the differences do not vary."""
    sign_flip_p: float | None
    """Two-sided p of the sign-flip test: at least 2 / 2^n, so five seeds never get below 0.06."""
    d_z: float | None
    """Mean difference over the standard deviation of the differences (Cohen, 1988); None where they do not vary."""


def paired_comparison(
    first: Sequence[float], second: Sequence[float], generator: np.random.Generator | None = None
) -> Comparison:
    """Compare two runs over the same seeds.

    Parameters
    ----------
    first, second
        One value per seed of each run, in the same order of seeds [n].
    generator
        Draws the flips if there are more than 16 pairs; not needed otherwise.

    Raises
    ------
    ValueError
        If the runs have different numbers of values, one is not finite, or a generator is needed and missing.
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

    Fisher (1935, "The design of experiments", section 21). Up to 16 differences, all 2^n flips are enumerated,
    the observed signs included, and the p-value is exact; beyond that, 2^16 flips are drawn.

    Parameters
    ----------
    differences
        First minus second of each pair [n].
    generator
        Draws the flips if there are more than 16 pairs.
    """
    n = len(differences)
    enough = np.abs(differences.sum()) - ROUNDING * np.abs(differences).sum()
    if n <= EXACT_PAIRS:
        flipped = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1 - 2 * flipped) @ differences) >= enough).mean())
    if generator is None:
        raise ValueError(f"With more than {EXACT_PAIRS} pairs, flips are drawn at random; pass a generator.")
    flipped = generator.integers(0, 2, (2**EXACT_PAIRS, n), dtype=np.int8)
    sums = np.abs((1 - 2 * flipped) @ differences)
    return float((1 + (sums >= enough).sum()) / (1 + len(sums)))


def holm(p_values: Sequence[float]) -> Floats:
    """Return p-values corrected for multiple comparisons, in the order given [m].

    Holm (1979, "A simple sequentially rejective multiple test procedure"): the smallest times m, the next times
    m - 1, and so on, none below the one before it and none above 1. Rejecting at 0.05 keeps the probability of
    any false rejection at 5 % at most.

    Parameters
    ----------
    p_values
        One per comparison [m].

    Raises
    ------
    ValueError
        If a value does not lie between 0 and 1.
    """
    p = np.array(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("P-values must lie between 0 and 1.")
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return corrected
