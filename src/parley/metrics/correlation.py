"""Pearson correlation with its 95 % interval."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from parley.metrics.intervals import CONFIDENCE


class Correlation(NamedTuple):
    """Pearson's r of n cases with its 95 % interval."""

    r: float
    low: float
    high: float
    n: int


def correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> Correlation | None:
    """Correlate two measures of the same cases.

    The interval is Fisher's: z = atanh r is nearly normal with standard deviation 1 / sqrt(n - 3) (Fisher, 1921, "On
    the probable error of a coefficient of correlation").

    Parameters
    ----------
    x, y
        One value a case [n]; cases where either is NaN are left out.

    Returns
    -------
    Correlation | None
        None with fewer than four cases, or if one measure does not vary.
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
