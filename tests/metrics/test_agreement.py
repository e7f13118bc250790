"""Agreement of two seeds: by hand, against scikit-learn and SciPy, and for languages of known similarity."""

import warnings
from itertools import combinations

import made_languages as languages
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from parley.metrics.agreement import (
    cohen_kappa,
    geometry_correlation,
    jackknife_interval,
    message_geometry,
    pearson,
    same_fraction,
)


def test_kappa_by_hand():
    # Both yes 20 times, both no 15, yes and no 5, no and yes 10: p = 0.7, e = 0.5 · 0.6 + 0.5 · 0.4 = 0.5.
    first = np.repeat([1, 0, 1, 0], [20, 15, 5, 10])
    second = np.repeat([1, 0, 0, 1], [20, 15, 5, 10])
    assert same_fraction(first, second) == pytest.approx(0.7)
    assert cohen_kappa(first, second) == pytest.approx((0.7 - 0.5) / 0.5)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_kappa_is_that_of_scikit_learn(pairs):
    first, second = np.array(pairs).T
    found = cohen_kappa(first, second)
    if len(np.unique(pairs)) == 1:
        assert found is None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cohen_kappa_score(first, second)
    assert found == pytest.approx(expected, abs=1e-12)


def test_kappa_of_the_same_answers_is_one_and_of_independent_ones_about_zero():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (2, 4000))
    assert cohen_kappa(first, first) == pytest.approx(1)
    assert cohen_kappa(first, second) == pytest.approx(0, abs=0.03)
    # One that always says the same agrees with nobody beyond chance.
    assert cohen_kappa(first, np.zeros(4000)) == pytest.approx(0)


def test_lengths_that_do_not_vary_have_no_correlation():
    assert pearson(np.array([1, 2, 3]), np.array([2, 4, 6])) == pytest.approx(1)
    assert pearson(np.array([1, 2, 3]), np.array([3, 2, 1])) == pytest.approx(-1)
    assert pearson(np.array([1, 2, 3]), np.array([2, 2, 2])) is None


def alike(first, second):
    return geometry_correlation(message_geometry(first), message_geometry(second))


def test_message_similarity_is_spearmans_correlation_of_distances():
    first, second = np.random.default_rng(0).integers(0, 2, (2, 30, 8))
    expected = spearmanr(pdist(first, "cityblock"), pdist(second, "cityblock")).statistic
    assert alike(first, second) == pytest.approx(expected)


def test_relabelled_bits_keep_the_similarity_and_independent_languages_have_none():
    made = languages.compositional()
    turned = 1 - made.messages[:, ::-1]
    assert alike(made.messages, turned) == pytest.approx(1)
    random = [languages.random(seed=seed, copies=8).messages for seed in range(2)]
    assert alike(*random) == pytest.approx(0, abs=0.05)
    assert alike(made.messages, np.ones_like(made.messages)) is None


def test_the_jackknife_by_hand():
    # Three seeds: without one, a single pair is left. Pseudo-values are 3 · 2 - 2 · (3, 2, 1) = 0, 2, 4, with sd 2.
    values = {(0, 1): 1.0, (0, 2): 2.0, (1, 2): 3.0}
    half = 4.302652729911275 * 2 / np.sqrt(3)
    assert jackknife_interval(values, 3) == pytest.approx((2 - half, 2 + half))
    assert jackknife_interval({(0, 1): 1.0}, 2) is None
    assert jackknife_interval({(0, 1): 1.0, (0, 2): 2.0}, 3) is None
    assert jackknife_interval({}, 0) is None


def test_the_jackknife_covers_the_mean_over_pairs_of_seeds():
    # Of x, y normal with mean 1, the mean of x y over pairs is 1; the pairs' own t interval would be too narrow.
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        x = 1 + rng.normal(0, 0.3, 8)
        low, high = jackknife_interval({(i, j): float(x[i] * x[j]) for i, j in combinations(range(8), 2)}, 8)
        covered += low <= 1 <= high
    assert covered / 400 == pytest.approx(0.95, abs=0.035)
