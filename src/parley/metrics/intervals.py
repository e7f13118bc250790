"""Mean, standard deviation and 95 % interval over seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """Mean over seeds with its t interval; what one seed does not determine is None, not zero."""

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

    The interval is symmetric and is not cut at the ends of the scale (an accuracy's may pass 1). Without
    a value all is None; with one value, sd and interval are None. Values must be finite.
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
