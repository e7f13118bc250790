"""Confusion matrix with integer counts, one prediction per image."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Confusion(NamedTuple):
    """Counts by true class (row) and predicted class (column)."""

    labels: Ints
    """``[C]``: label ids of the rows and columns, rising; only those that occur as a true or a predicted one."""
    counts: Ints
    """``[C, C]``."""


def confusion_counts(true: Ints, predicted: Ints) -> Confusion:
    """Count images by true and predicted label, as scikit-learn's `confusion_matrix` does.

    Parameters
    ----------
    true, predicted
        Label ids ``[N]``.
    """
    labels, places = np.unique(np.concatenate([true, predicted]), return_inverse=True)
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (places[: len(true)], places[len(true) :]), 1)
    return Confusion(labels, counts)


def as_lines(counts: Ints) -> str:
    """Return a matrix of whole numbers as text: a line a row, commas between the columns."""
    return "".join(",".join(map(str, row)) + "\n" for row in counts.tolist())
