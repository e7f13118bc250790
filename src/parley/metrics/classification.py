"""Precision, recall and F1 of each class, and macro F1.

Shapes: K candidate classes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.ranking import Floats


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
        Dialogues by true class (row) and guessed class (column) [K, K], as `classes.confusion_matrix` counts
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
