"""Metrics per class."""

import numpy as np
from numpy.typing import NDArray

from parley.metrics.ranking import Floats, Ints, first_places


def class_counts(targets: Ints, candidates: int) -> Ints:
    """Count the dialogues about each candidate class [K]."""
    return np.bincount(targets, minlength=candidates).astype(np.int64)


def class_means(values: NDArray[np.number], targets: Ints, candidates: int) -> Floats:
    """Average a value over the dialogues of each class [K]; NaN for a class without a dialogue.

    Parameters
    ----------
    values
        One value a dialogue [N].
    targets
        Column of the true class [N].
    candidates
        Number of candidate classes K.
    """
    sums = np.bincount(targets, weights=values.astype(np.float64), minlength=candidates)
    counts = class_counts(targets, candidates)
    return np.asarray(np.divide(sums, counts, out=np.full(candidates, np.nan), where=counts > 0))


def confusion_matrix(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Count dialogues by true class (row) and predicted class (column) [K, K].

    Candidates tied for the first place share the dialogue, so that the trace over the sum is accuracy@1.

    Parameters
    ----------
    scores
        Scores of the candidates at the stopping exchange [N, K].
    targets
        Column of the true class [N].
    """
    matrix = np.zeros((scores.shape[-1], scores.shape[-1]))
    np.add.at(matrix, targets, first_places(scores))
    return matrix
