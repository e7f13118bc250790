"""Paired comparisons and Holm's correction, by hand and against SciPy."""

import warnings
from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.metrics.statistics import holm, paired_comparison, sign_flip_p


def test_a_comparison_is_that_of_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=8) + 0.5, rng.normal(size=8)
    expected = scipy.stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    flips = scipy.stats.permutation_test(
        (first, second), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", n_resamples=np.inf
    )
    found = paired_comparison(first.tolist(), second.tolist())
    assert (found.n, found.difference) == (8, pytest.approx(np.mean(first - second)))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.t_p == pytest.approx(expected.pvalue)
    assert found.sign_flip_p == pytest.approx(flips.pvalue)
    assert found.d_z == pytest.approx(expected.statistic / np.sqrt(8))


def test_a_comparison_by_hand():
    # Differences 1, 2, 3: sd 1, and of the eight sums ±1 ±2 ±3 two are as far out as 6.
    found = paired_comparison([2, 4, 6], [1, 2, 3])
    assert (found.difference, found.d_z, found.sign_flip_p) == (2, pytest.approx(2), 2 / 8)
    back = paired_comparison([1, 2, 3], [2, 4, 6])
    assert (back.difference, back.d_z) == (-2, pytest.approx(-2))
    assert (back.t_p, back.sign_flip_p) == (pytest.approx(found.t_p), 2 / 8)


def test_differences_that_do_not_vary():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # In floating point, 0.6 - 0.5, 0.4 - 0.3 and 0.3 - 0.2 differ.
        found = paired_comparison([0.6, 0.4, 0.3], [0.5, 0.3, 0.2])
        same = paired_comparison([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    assert found.difference == pytest.approx(0.1)
    assert (found.t_p, found.d_z, found.sign_flip_p) == (None, None, 0.25)
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert same == (3, 0, 0, 0, None, 1, None)


def test_too_few_pairs():
    assert paired_comparison([], []) == (0, None, None, None, None, None, None)
    assert paired_comparison([3], [1]) == (1, 2, None, None, None, 1, None)


@pytest.mark.parametrize(("first", "second"), [([1, 2], [1]), ([1.0], [np.nan]), ([np.inf], [1.0])])
def test_invalid_pairs_are_refused(first, second):
    with pytest.raises(ValueError, match="each seed"):
        paired_comparison(first, second)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=1, max_size=7))
def test_flips_are_all_counted_with_their_ties(differences):
    apart = np.array(differences) / 10
    signs = product([1, -1], repeat=len(apart))
    sums = [abs(sum(s * d for s, d in zip(flips, differences, strict=True))) for flips in signs]
    expected = np.mean([total >= abs(sum(differences)) for total in sums])
    assert sign_flip_p(apart) == pytest.approx(expected)
    assert 2 / 2 ** len(apart) <= sign_flip_p(apart) <= 1


def test_flips_of_many_pairs_are_drawn():
    apart = np.random.default_rng(1).normal(size=20) + 0.4
    with pytest.raises(ValueError, match="generator"):
        sign_flip_p(apart)
    drawn = sign_flip_p(apart, np.random.default_rng(0))
    assert drawn == sign_flip_p(apart, np.random.default_rng(0))
    halves = [np.array(list(product([1, -1], repeat=10))) @ half for half in (apart[:10], apart[10:])]
    exact = (np.abs(halves[0][:, None] + halves[1]) >= apart.sum() - 1e-9).mean()
    assert drawn == pytest.approx(exact, rel=0.15)
    assert sign_flip_p(np.ones(30), np.random.default_rng(0)) == pytest.approx(1 / (2**16 + 1))


def test_flips_of_sixteen_pairs_are_counted():
    assert sign_flip_p(np.ones(16)) == 2 / 2**16


def test_flips_keep_their_level():
    ps = [sign_flip_p(np.random.default_rng(seed).normal(size=8)) for seed in range(200)]
    assert np.mean(np.array(ps) <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(ps) == pytest.approx(0.5, abs=0.07)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6, 0.001]) == pytest.approx([1, 1, 0.003])
    assert holm([0.2]) == pytest.approx([0.2])
    assert holm([]).tolist() == []
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([np.nan, 0.1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_between_none_and_bonferroni(p_values):
    p, corrected = np.array(p_values), holm(p_values)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(p * len(p), 1) + 1e-15).all()
    assert corrected[p.argmin()] == pytest.approx(min(p.min() * len(p), 1))
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()
