"""Metrics of interventions, by hand and against SciPy."""

import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from parley.metrics.influence import answers_changed, bits_changed, prediction_shift


def test_answers_are_compared_image_by_image_and_the_first_of_equal_scores_counts():
    before = np.array([[1.0, 0, 0], [0, 2, 0], [1, 1, 0], [0, 0, 3]])
    after = np.array([[0.5, 0, 0], [3, 2, 0], [1, 0, 0], [0, 9, 3]])
    assert answers_changed(before, after) == 0.5
    assert answers_changed(before, before) == 0


def test_the_shift_is_the_divergence_of_the_predictions():
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=(2, 7, 5))
    expected = rel_entr(softmax(after, -1), softmax(before, -1)).sum(-1).mean()
    assert prediction_shift(before, after) == pytest.approx(expected)
    assert prediction_shift(before, before + 5) == pytest.approx(0, abs=1e-12)
    # From even to certain is ln 2; the other way round it is far more.
    even, certain = np.zeros((1, 2)), np.array([[40.0, 0]])
    assert prediction_shift(even, certain) == pytest.approx(np.log(2))
    assert prediction_shift(certain, even) == pytest.approx(20 - np.log(2))


def test_bits_count_while_the_dialogue_without_intervention_is_active():
    before = np.zeros((3, 2, 4))
    after = before.copy()
    after[1, 0, :3] = after[1, 1, :2] = after[2, 0, 0] = after[2, 1] = 1
    active = np.array([[1, 1], [1, 1], [1, 0]])
    assert bits_changed(before, after, active, [1]) == (3 + 2) / 2
    assert bits_changed(before, after, active, [2]) == 1
    assert bits_changed(before, after, active, [1, 2]) == (3 + 2 + 1) / 3
    assert bits_changed(before, after, np.array([[1, 1], [0, 0], [0, 0]]), [1, 2]) is None
