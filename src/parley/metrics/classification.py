"""How well each class is told from the others: precision, recall and F1, and their mean over classes.

Letters of shapes: K candidate classes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.ranking import Floats


class ClassScores(NamedTuple):
    """Scores of each class, between 0 and 1; NaN where there is nothing to count."""

    precision: Floats
    """Of what was taken for the class, the fraction that is of it [K]; NaN for a class never guessed."""
    recall: Floats
    """Of what is of the class, the fraction that was taken for it [K]; NaN for a class without conversations."""
    f1: Floats
    """Harmonic mean of the two: 2 right / (guessed + there) [K]. 0 for a class never guessed; NaN for one that was
    neither guessed nor there."""


class MacroF1(NamedTuple):
    """Mean of F1 over the classes with conversations, each counting the same."""

    value: float
    classes: int
    """Classes that count."""
    absent: int
    """Classes left out, for want of a conversation. A wrong guess of one still lowers the recall of the true class."""


def class_scores(confusion: NDArray[np.number]) -> ClassScores:
    """Score each class (van Rijsbergen, 1979, "Information retrieval").

    Parameters
    ----------
    confusion
        Conversations by true class (row) and guessed class (column) [K, K], as `classes.confusion_matrix` counts
        them; shared ones count by their parts.
    """
    counts = confusion.astype(np.float64)
    right, there, guessed = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    return ClassScores(_ratio(right, guessed), _ratio(right, there), _ratio(2 * right, guessed + there))


def macro_f1(confusion: NDArray[np.number]) -> MacroF1:
    """Average F1 over the classes that have conversations, and say how many have none.

    Sokolova and Lapalme (2009, "A systematic analysis of performance measures for classification tasks") average over
    all classes; one without conversations could only get 0 or nothing, and would pull the mean down for a sample that
    happens to lack it.

    Parameters
    ----------
    confusion
        As of `class_scores` [K, K].

    Raises
    ------
    ValueError
        When no class has a conversation.
    """
    present = confusion.sum(axis=1) > 0
    if not present.any():
        raise ValueError("Without a conversation there is no F1.")
    return MacroF1(float(class_scores(confusion).f1[present].mean()), int(present.sum()), int((~present).sum()))


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))
