"""Scores of classes, by hand and against scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import f1_score, precision_recall_fscore_support

from parley.metrics.classification import class_scores, macro_f1


def test_scores_of_classes_by_hand():
    # Of three of the first, two are found; one of the second is taken for the first; the third is never there.
    scores = class_scores(np.array([[2, 1, 0], [1, 3, 0], [0, 0, 0]]))
    assert scores["precision"] == pytest.approx([2 / 3, 3 / 4, np.nan], nan_ok=True)
    assert scores["recall"] == pytest.approx([2 / 3, 3 / 4, np.nan], nan_ok=True)
    assert scores["f1"] == pytest.approx([2 / 3, 3 / 4, np.nan], nan_ok=True)
    assert macro_f1(np.array([[2, 1, 0], [1, 3, 0], [0, 0, 0]])) == pytest.approx(17 / 24)


def test_precision_and_recall_are_not_mixed_up():
    scores = class_scores(np.array([[1, 3], [0, 2]]))
    assert scores["precision"] == pytest.approx([1, 2 / 5])
    assert scores["recall"] == pytest.approx([1 / 4, 1])
    assert scores["f1"] == pytest.approx([2 / 5, 4 / 7])


def test_a_class_that_is_only_predicted_is_left_out_too():
    confusion = np.array([[1, 1], [0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert macro_f1(confusion) == pytest.approx(2 / 3)
        assert class_scores(confusion)["f1"] == pytest.approx([2 / 3, 0])
        # Never guessed, but there.
        assert class_scores(confusion.T)["precision"] == pytest.approx([1 / 2, np.nan], nan_ok=True)
        assert macro_f1(np.array([[0, 2], [0, 2]])) == pytest.approx(1 / 3)


def test_ties_count_by_their_parts():
    assert macro_f1(np.full((4, 4), 0.25)) == pytest.approx(0.25)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_scores_are_those_of_scikit_learn(cases):
    true, guessed = np.array(cases).T
    confusion = sklearn_confusion(true, guessed, labels=range(5))
    precision, recall, f1, _ = precision_recall_fscore_support(
        true, guessed, labels=range(5), average=None, zero_division=np.nan
    )
    scores = class_scores(confusion)
    assert scores["precision"] == pytest.approx(precision, nan_ok=True)
    assert scores["recall"] == pytest.approx(recall, nan_ok=True)
    present = np.unique(true)
    assert scores["f1"][present] == pytest.approx(f1[present])
    expected = f1_score(true, guessed, labels=present, average="macro", zero_division=0)
    assert macro_f1(confusion) == pytest.approx(expected)


def test_without_a_dialogue_there_is_no_f1():
    with pytest.raises(ValueError, match="at least one dialogue"):
        macro_f1(np.zeros((3, 3)))
