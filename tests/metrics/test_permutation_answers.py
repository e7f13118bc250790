"""Permutation tests of the answers, and the information gained at each exchange."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from parley.metrics.classification import accuracy, confusion_matrix, macro_f1
from parley.metrics.information import information_gained, message_information
from parley.metrics.permutation import answer_tests


def lot(seed):
    return np.random.default_rng(seed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 8))
def test_values_are_those_of_the_metrics_with_ties_and_absent_classes(seed, levels, k):
    draw = lot(seed)
    scores = draw.integers(0, levels, (30, 5)).astype(float)
    targets = draw.integers(0, draw.integers(1, 6), 30)
    found = answer_tests(scores, targets, k, 3, draw)
    assert found["accuracy@1"].value == pytest.approx(accuracy(scores, targets))
    assert found["accuracy@k"].value == pytest.approx(accuracy(scores, targets, k))
    assert found["macro_f1"].value == pytest.approx(macro_f1(confusion_matrix(scores, targets)))


def test_each_null_is_the_metric_with_permuted_labels():
    scores, targets = lot(0).normal(size=(40, 6)), np.repeat(np.arange(5), 8)
    found = answer_tests(scores, targets, 2, 20, lot(1))
    orders = lot(1)
    guesses = scores.argmax(axis=1)
    for number in range(20):
        labels = orders.permutation(targets)
        assert found["accuracy@1"].null[number] == pytest.approx((guesses == labels).mean())
        f1 = f1_score(labels, guesses, average="macro", labels=range(5), zero_division=0)
        assert found["macro_f1"].null[number] == pytest.approx(f1)


def test_correct_answers_are_beyond_the_null_and_random_ones_inside():
    targets = np.repeat(np.arange(6), 10)
    right = answer_tests(np.eye(6)[targets], targets, 2, 500, lot(2))
    assert {test.p for test in right.values()} == {1 / 501}
    ps = [answer_tests(lot(seed).normal(size=(60, 6)), targets, 2, 200, lot(seed + 1)) for seed in range(0, 60, 2)]
    for measure in ("accuracy@1", "accuracy@k", "macro_f1"):
        # Uniform where nothing is known: of 30, about half below 0.5, and hardly any below 0.01.
        found = np.array([one[measure].p for one in ps])
        assert 6 <= (found < 0.5).sum() <= 24
        assert (found < 0.01).sum() <= 2


def test_a_constant_answer_gains_nothing_from_a_frequent_class():
    targets = np.array([0] * 50 + [1] * 5 + [2] * 5)
    found = answer_tests(np.tile([1.0, 0.0, 0.0], (60, 1)), targets, 1, 100, lot(3))
    assert found["accuracy@1"].value == pytest.approx(50 / 60)
    assert found["accuracy@1"].p == found["macro_f1"].p == 1


def test_information_gained_by_hand():
    # Of four candidates one is ruled out half, then the right one is sure at odds of 1 to 1 to 2 to 4.
    scores = np.log(np.array([[[1, 1, 1, 1], [1, 1, 2, 4], [8, 0.5, 0.5, 7]]], dtype=float))
    gained = information_gained(scores, np.array([3]))
    assert gained == pytest.approx(np.array([[0.0, 1.0, np.log2(7 / 16) - np.log2(4 / 8)]]))


def test_gains_sum_to_the_final_knowledge():
    scores, targets = lot(4).normal(size=(20, 4, 7)), lot(5).integers(0, 7, 20)
    p = np.exp(scores[:, -1]) / np.exp(scores[:, -1]).sum(axis=1, keepdims=True)
    known = np.log2(7 * p[np.arange(20), targets])
    assert information_gained(scores, targets).sum(axis=1) == pytest.approx(known)


def test_only_messages_of_active_dialogues_count():
    targets = np.repeat(np.arange(4), 8)
    says, talking = np.zeros((32, 3, 2), int), np.ones((32, 3), bool)
    says[:, 1] = np.stack([targets // 2, targets % 2], axis=1)
    talking[:, 2] = False
    talking[targets > 1, 1] = False  # Of the second exchange, two classes are left.
    first, second, third = message_information(says, targets, talking, 200, lot(6))
    assert (first.value, first.null.any(), first.p) == (0, False, 1)
    assert second.value == pytest.approx(1)
    assert second.p == 1 / 201
    assert third is None
