"""Principal components of messages."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.ranking import Floats


class Components(NamedTuple):
    """Coordinates on the first principal components, and what they explain."""

    coordinates: Floats
    """Coordinates of the rows, centred [N, C]."""
    explained: Floats
    """Fraction of the total variance along each component [C]; zeros where the rows do not differ."""


def principal_components(rows: NDArray[np.number], count: int = 2) -> Components:
    """Project rows on their first principal components, by singular value decomposition of the centred rows.

    The sign of a component is free; here its largest loading is positive, so that the same rows give the same
    picture on any machine. Where there are fewer dimensions than `count`, the rest is zero.

    Parameters
    ----------
    rows
        One row an item [N, d].
    count
        Number of components C.
    """
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    kept = min(count, len(singular))
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    coordinates = np.zeros((len(rows), count))
    coordinates[:, :kept] = (left * singular * signs)[:, :kept]
    explained = np.zeros(count)
    total = float((singular**2).sum())
    # Rows that are all the same leave rounding noise of the mean, which is no variance.
    if total > 1e-18 * max(1.0, float(np.abs(rows).max())) ** 2 * rows.size:
        explained[:kept] = (singular**2 / total)[:kept]
    else:
        coordinates[:] = 0.0
    return Components(coordinates, explained)
