"""Accuracy, and metrics per class: means, confusion matrices, precision, recall and F1.

Shapes: `...` any leading dimensions, N dialogues, K candidate classes.
"""

import numpy as np
from numpy.typing import NDArray

from parley.metrics.exchanges import Floats, Ints, check_finite, hits


def accuracy(scores: NDArray[np.floating], targets: Ints, k: int = 1) -> float:
    """Return accuracy@k: the fraction of all cases in which the true class has one of the k highest scores."""
    return float(hits(scores, targets, k).mean())


def first_places(scores: NDArray[np.floating]) -> Floats:
    """Return ``[..., K]``: 1 for the candidate with the highest score, 0 for others; tied candidates share the 1."""
    check_finite(scores)
    best = scores == scores.max(axis=-1, keepdims=True)
    return np.asarray(best / best.sum(axis=-1, keepdims=True))


def class_means(values: NDArray[np.number], targets: Ints, candidates: int) -> Floats:
    """Return the mean of a value over the dialogues of each class, ``[K]``; NaN for a class without dialogues.

    Parameters
    ----------
    values
        ``[N]``: one value per dialogue.
    targets
        ``[N]``: index of each dialogue's true class among the candidates.
    candidates
        Number of candidate classes K.
    """
    sums = np.bincount(targets, weights=values.astype(np.float64), minlength=candidates)
    return _ratio(sums, np.bincount(targets, minlength=candidates))


def confusion_matrix(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Count dialogues by true class (row) and predicted class (column): ``[K, K]``.

    If several candidates have the highest score, each is counted as an equal fraction of a dialogue. The trace divided
    by the sum of the matrix is therefore accuracy@1.

    Parameters
    ----------
    scores
        ``[N, K]``: scores of the candidates at the last exchange of each dialogue.
    targets
        ``[N]``: index of each dialogue's true class among the candidates.
    """
    matrix = np.zeros((scores.shape[-1], scores.shape[-1]))
    np.add.at(matrix, targets, first_places(scores))
    return matrix


def confusion_counts(true: Ints, predicted: Ints) -> Ints:
    """Count images by true label (row) and predicted label (column), as scikit-learn's `confusion_matrix` does.

    Parameters
    ----------
    true, predicted
        ``[N]``: true and predicted label id of each image.

    Returns
    -------
    Ints
        Counts ``[C, C]``. Rows and columns are the C labels that occur in either argument, in ascending order.
    """
    labels, indices = np.unique(np.concatenate([true, predicted]), return_inverse=True)
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (indices[: len(true)], indices[len(true) :]), 1)
    return counts


def class_scores(confusion: NDArray[np.number]) -> dict[str, Floats]:
    """Return precision, recall and F1 of each class (van Rijsbergen, 1979, "Information retrieval").

    Parameters
    ----------
    confusion
        ``[K, K]``: number of dialogues by true class (row) and predicted class (column), from `confusion_matrix`.

    Returns
    -------
    dict[str, Floats]
        Three arrays ``[K]`` with one score per class, between 0 and 1, or NaN if the denominator is 0:

        - ``precision``: fraction of the dialogues with this predicted class whose prediction is correct
        - ``recall``: fraction of the dialogues about the class whose prediction is correct
        - ``f1``: harmonic mean of precision and recall; 0 if only one of them is NaN
    """
    counts = confusion.astype(np.float64)
    right, actual, predicted = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    return {
        "precision": _ratio(right, predicted),
        "recall": _ratio(right, actual),
        "f1": _ratio(2 * right, predicted + actual),
    }


def macro_f1(confusion: NDArray[np.number]) -> float:
    """Return the mean F1 over the classes that have dialogues.

    Sokolova and Lapalme (2009, "A systematic analysis of performance measures for classification tasks") average over
    all classes. Here, classes without dialogues are excluded: their F1 could only be 0 or NaN, and the mean would be
    lower for samples that lack a class. Predicting such a class still lowers the recall of the true class.

    Parameters
    ----------
    confusion
        ``[K, K]``: confusion matrix, as in `class_scores`.

    Raises
    ------
    ValueError
        If no class has a dialogue.
    """
    present = confusion.sum(axis=1) > 0
    if not present.any():
        raise ValueError("F1 requires at least one dialogue.")
    return float(class_scores(confusion)["f1"][present].mean())


def _ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))
