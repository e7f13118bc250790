"""Entropies, classes, components, intervals and correlation, each against a known answer."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.metrics import confusion_matrix as sklearn_confusion

from parley.metrics.analysis import principal_components
from parley.metrics.classification import accuracy, class_means, confusion_matrix
from parley.metrics.information import message_entropy_bits, prediction_entropy_bits
from parley.metrics.statistics import correlation, t_half_width, t_interval


def test_entropy_of_messages_in_bits():
    assert message_entropy_bits(np.array([[0.5] * 32, [0.0] * 32, [1.0] * 32])).tolist() == [32, 0, 0]
    assert message_entropy_bits(np.array([0.25])) == pytest.approx(0.25 * 2 + 0.75 * np.log2(4 / 3))
    with pytest.raises(ValueError, match="continuous"):
        message_entropy_bits(np.array([1.5]))
    with pytest.raises(ValueError, match="between"):
        message_entropy_bits(np.array([np.nan]))


def test_entropy_of_predictions_in_bits():
    assert prediction_entropy_bits(np.zeros((2, 16))) == pytest.approx([4, 4])
    assert prediction_entropy_bits(np.array([[500.0, 0.0]])) == pytest.approx([0])


def test_means_by_class_and_a_class_without_images():
    targets = np.array([0, 0, 2])
    assert class_means(np.array([1, 2, 5]), targets, 4) == pytest.approx([1.5, np.nan, 5, np.nan], nan_ok=True)


def test_confusion_is_that_of_scikit_learn_without_ties():
    rng = np.random.default_rng(3)
    scores, targets = rng.normal(size=(200, 5)), rng.integers(0, 5, 200)
    expected = sklearn_confusion(targets, scores.argmax(axis=1), labels=range(5))
    assert confusion_matrix(scores, targets).tolist() == expected.tolist()


def test_confusion_shares_ties_so_that_its_trace_is_the_accuracy():
    scores, targets = np.zeros((6, 3)), np.array([0, 0, 0, 1, 1, 2])
    matrix = confusion_matrix(scores, targets)
    assert matrix[0] == pytest.approx([1, 1, 1])
    assert np.trace(matrix) / matrix.sum() == pytest.approx(accuracy(scores, targets))


def test_components_are_those_of_scikit_learn_up_to_sign():
    rows = np.random.default_rng(0).normal(size=(40, 6)) @ np.random.default_rng(1).normal(size=(6, 6))
    coordinates, explained = principal_components(rows)
    expected = PCA(2).fit(rows)
    assert explained == pytest.approx(expected.explained_variance_ratio_)
    assert np.abs(coordinates) == pytest.approx(np.abs(expected.transform(rows)))


def test_components_do_not_depend_on_the_sign_that_svd_happens_to_choose():
    rows = np.random.default_rng(0).normal(size=(20, 4))
    assert principal_components(rows)[0] == pytest.approx(principal_components(rows + 7)[0])
    assert principal_components(-rows)[0] == pytest.approx(-principal_components(rows)[0])


@pytest.mark.parametrize("rows", [np.full((5, 3), 0.1), np.ones((1, 4)), np.zeros((3, 1))])
def test_rows_that_do_not_differ_have_no_components(rows):
    coordinates, explained = principal_components(rows)
    assert coordinates.shape == (len(rows), 2)
    assert not coordinates.any()
    assert not explained.any()


def test_one_dimension_has_one_component():
    coordinates, explained = principal_components(np.array([[0], [0], [1], [1]]))
    assert explained.tolist() == [1, 0]
    assert coordinates == pytest.approx(np.array([[-0.5, 0], [-0.5, 0], [0.5, 0], [0.5, 0]]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12))
def test_t_interval_is_that_of_scipy(values):
    found = t_interval(values)
    low, high = scipy.stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=max(scipy.stats.sem(values), 1e-300)
    )
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert found.sd == pytest.approx(np.std(values, ddof=1))


def test_textbook_t_interval():
    # n = 5, mean 10, sd 2: 10 ± 2.776 · 2 / √5.
    found = t_interval([8, 8, 10, 12, 12])
    assert (found.mean, found.sd) == (10, 2)
    assert found.high == pytest.approx(10 + 2.7764 * 2 / 5**0.5, abs=1e-3)


def test_one_value_has_no_sd_and_no_interval():
    assert t_interval([0.4]) == (0.4, None, None, None, 1)
    assert t_interval([]) == (None, None, None, None, 0)
    assert t_half_width(np.array([0.0]), 3).tolist() == [0]


def test_correlation_and_interval_are_those_of_scipy():
    rng = np.random.default_rng(5)
    x = rng.normal(size=30)
    y = -x + rng.normal(size=30)
    expected = scipy.stats.pearsonr(x, y)
    found = correlation(np.append(x, np.nan), np.append(y, 1.0))
    assert found.n == 30
    assert found.r == pytest.approx(expected.statistic)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_undefined_correlations_are_none():
    assert correlation(np.array([1.0, 2, 3]), np.array([1.0, 2, 3])) is None
    assert correlation(np.array([1.0, 2, 3, 4]), np.ones(4)) is None
    assert correlation(np.arange(5.0), -np.arange(5.0)).r == pytest.approx(-1)
