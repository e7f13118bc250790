"""Metrics per class: means, confusion matrices, precision, recall and F1.

Shapes: N dialogues, K candidate classes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.exchanges import Floats, Ints, first_places


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


class ClassScores(NamedTuple):
    """Scores of each class, between 0 and 1; NaN if the denominator is 0."""

    precision: Floats
    """Fraction of the predictions of the class that are correct [K]; NaN for a class that is never predicted."""
    recall: Floats
    """Fraction of the dialogues about the class that are predicted as it [K]; NaN for a class without dialogues."""
    f1: Floats
    """Harmonic mean of the two: 2 right / (predicted + actual) [K]. 0 for a class that is never predicted; NaN for
    one that is neither predicted nor actual."""


class MacroF1(NamedTuple):
    """Mean of F1 over the classes with dialogues, each counting the same."""

    value: float
    classes: int
    """Number of classes in the mean."""
    absent: int
    """Number of classes left out because they have no dialogue. Predicting one still lowers the true class's recall."""


def class_scores(confusion: NDArray[np.number]) -> ClassScores:
    """Score each class (van Rijsbergen, 1979, "Information retrieval").

    Parameters
    ----------
    confusion
        Dialogues by true class (row) and guessed class (column) [K, K], as `confusion_matrix` counts
        them; shared ones count by their parts.
    """
    counts = confusion.astype(np.float64)
    right, there, guessed = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    return ClassScores(_ratio(right, guessed), _ratio(right, there), _ratio(2 * right, guessed + there))


def macro_f1(confusion: NDArray[np.number]) -> MacroF1:
    """Average F1 over the classes that have dialogues, and say how many have none.

    Sokolova and Lapalme (2009, "A systematic analysis of performance measures for classification tasks") average over
    all classes; one without dialogues could only get 0 or nothing, and would pull the mean down for a sample that
    happens to lack it.

    Parameters
    ----------
    confusion
        As in `class_scores` [K, K].

    Raises
    ------
    ValueError
        When no class has a dialogue.
    """
    present = confusion.sum(axis=1) > 0
    if not present.any():
        raise ValueError("Without a conversation there is no F1.")
    return MacroF1(float(class_scores(confusion).f1[present].mean()), int(present.sum()), int((~present).sum()))


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))
