"""Metrics per class: means, confusion matrices, precision, recall and F1.

Shapes: N dialogues, K candidate classes.
"""

import numpy as np
from numpy.typing import NDArray

from parley.metrics.exchanges import Floats, Ints, first_places


def class_means(values: NDArray[np.number], targets: Ints, candidates: int) -> Floats:
    """Average a value over the dialogues of each class [K]; NaN for a class without a dialogue.

    Parameters
    ----------
    values
        One value per dialogue [N].
    targets
        Column of the true class [N].
    candidates
        Number of candidate classes K.
    """
    sums = np.bincount(targets, weights=values.astype(np.float64), minlength=candidates)
    return _ratio(sums, np.bincount(targets, minlength=candidates))


def confusion_matrix(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Count dialogues by true class (row) and predicted class (column) [K, K].

    Candidates with equal highest scores share the dialogue, so that the trace over the sum is accuracy@1.

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


def confusion_counts(true: Ints, predicted: Ints) -> Ints:
    """Count images by true label (row) and predicted label (column), as scikit-learn's `confusion_matrix` does.

    Parameters
    ----------
    true, predicted
        Label ids [N].

    Returns
    -------
    Ints
        [C, C]: the C labels that occur as a true or a predicted one, in ascending order.
    """
    labels, indices = np.unique(np.concatenate([true, predicted]), return_inverse=True)
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (indices[: len(true)], indices[len(true) :]), 1)
    return counts


def class_scores(confusion: NDArray[np.number]) -> dict[str, Floats]:
    """Score each class (van Rijsbergen, 1979, "Information retrieval").

    Parameters
    ----------
    confusion
        Dialogues by true class (row) and predicted class (column) [K, K], as from `confusion_matrix`.

    Returns
    -------
    dict[str, Floats]
        Three scores of each class [K], between 0 and 1; NaN if the denominator is 0:

        - ``precision``: fraction of the predictions of the class that are correct
        - ``recall``: fraction of the dialogues about the class that are predicted as it
        - ``f1``: harmonic mean of the two, 2 right / (predicted + actual)
    """
    counts = confusion.astype(np.float64)
    right, actual, predicted = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    return {
        "precision": _ratio(right, predicted),
        "recall": _ratio(right, actual),
        "f1": _ratio(2 * right, predicted + actual),
    }


def macro_f1(confusion: NDArray[np.number]) -> float:
    """Average F1 over the classes that have dialogues.

    Sokolova and Lapalme (2009, "A systematic analysis of performance measures for classification tasks") average over
    all classes. A class without dialogues could only get 0 or NaN, and would lower the mean of a sample that happens
    to lack it. Predicting such a class still lowers the recall of the true one.

    Parameters
    ----------
    confusion
        As in `class_scores` [K, K].

    Raises
    ------
    ValueError
        If no class has a dialogue.
    """
    present = confusion.sum(axis=1) > 0
    if not present.any():
        raise ValueError("Without a dialogue there is no F1.")
    return float(class_scores(confusion)["f1"][present].mean())


def _ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))
