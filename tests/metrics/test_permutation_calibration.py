"""Calibration of the stop, by hand and against scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from parley.metrics.permutation import BINS, calibration_tests


def measured(probabilities, right):
    """The calibration error and the Brier score of one exchange per dialogue."""
    made = np.ones((len(probabilities), 1), bool)
    found = calibration_tests(probabilities[:, None], right[:, None], made, 1, np.random.default_rng(0))
    return found["stop_calibration_error"].value, found["stop_brier"].value


@pytest.mark.parametrize("tenth", range(10))
def test_a_bin_edge_belongs_to_the_bin_above(tenth):
    # In one bin the gaps of a right and a wrong case partly cancel; in two they add up.
    edge, above = tenth / 10, tenth / 10 + 0.09
    error, _ = measured(np.array([edge, above]), np.array([0, 1]))
    assert error == pytest.approx(abs(edge + above - 1) / 2)


def test_error_by_hand():
    # Two cases at 0.9, one right: 0.4 off. Three at 0.2, none right: 0.2 off.
    p, right = np.array([0.9, 0.9, 0.2, 0.2, 0.2]), np.array([True, False, False, False, False])
    assert measured(p, right) == pytest.approx(((2 * 0.4 + 3 * 0.2) / 5, (0.01 + 0.81 + 3 * 0.04) / 5))


def test_extremes():
    sure, right = np.ones(4), np.ones(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measured(sure, right) == (0, 0)
        assert measured(sure, 1 - right) == (1, 1)
    assert measured(np.full(4, 0.5), np.array([0, 1, 1, 1]))[1] == 0.25


def test_a_calibrated_stop_has_nearly_no_error_and_an_overconfident_one_has():
    rng = np.random.default_rng(0)
    chances = rng.random(20000)
    right = rng.random(20000) < chances
    assert measured(chances, right)[0] < 0.02
    assert measured(np.sqrt(chances), right)[0] == pytest.approx(2 / 3 - 1 / 2, abs=0.02)


def test_ties_count_as_their_expectation():
    # One case in two guesses: 1/2 of (right, wrong).
    assert measured(np.array([0.8]), np.array([0.5])) == pytest.approx((0.3, (0.04 + 0.64) / 2))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 1)), min_size=1, max_size=50))
def test_bins_and_brier_are_those_of_scikit_learn(cases):
    p, right = np.array([case[0] for case in cases]), np.array([case[1] for case in cases])
    # Scikit-learn puts edges into the bin below.
    p = p + 1e-6
    error, brier = measured(p, right)
    if right.any():
        accuracy, confidence = calibration_curve(right, p, n_bins=BINS)
        sizes = np.histogram(p, BINS, (0, 1))[0]
        expected = (np.abs(accuracy - confidence) * sizes[sizes > 0]).sum() / len(p)
        assert error == pytest.approx(expected)
    assert brier == pytest.approx(brier_score_loss(right, p, labels=[0, 1]))
    assert 0 <= error <= 1


@pytest.mark.parametrize("values", [([], []), ([1.1], [1]), ([np.nan], [1]), ([0.5], [2])])
def test_invalid_probabilities_are_refused(values):
    with pytest.raises(ValueError, match="between 0 and 1"):
        measured(np.array(values[0], dtype=float), np.array(values[1]))


def dialogues(seed, knows):
    """Sixty dialogues: the probability to stop, whether the answer is right, and which exchanges took place."""
    draw = np.random.default_rng(seed)
    right = np.repeat(draw.integers(0, 2, (60, 1)), 3, axis=1).astype(float)
    sure = right if knows else np.repeat(draw.integers(0, 2, (60, 1)), 3, axis=1)
    made = np.arange(3) < draw.integers(1, 4, 60)[:, None]
    return 0.1 + 0.8 * sure, right, made


def test_the_null_is_the_metric_with_answers_of_other_dialogues():
    confidence, right, made = dialogues(0, knows=True)
    found = calibration_tests(confidence, right, made, 10, np.random.default_rng(1))
    error, brier = found["stop_calibration_error"], found["stop_brier"]
    assert (error.value, brier.value) == pytest.approx(measured(confidence[made], right[made]))
    lots = np.random.default_rng(1)
    for values in zip(error.null, brier.null, strict=True):
        moved = right[lots.permutation(60)]
        assert values == pytest.approx(measured(confidence[made], moved[made]))


def test_a_receiver_that_knows_when_it_is_correct_is_beyond_the_null_and_a_guessing_one_inside():
    for test in calibration_tests(*dialogues(0, knows=True), 300, np.random.default_rng(0)).values():
        assert test.p == 1 / 301
    guessing = [
        calibration_tests(*dialogues(seed, knows=False), 100, np.random.default_rng(seed)) for seed in range(30)
    ]
    ps = np.array([[test.p for test in tests.values()] for tests in guessing])
    assert ((ps < 0.5).sum(axis=0) >= 6).all()
    assert ((ps < 0.5).sum(axis=0) <= 24).all()
    assert ((ps < 0.02).sum(axis=0) <= 3).all()
