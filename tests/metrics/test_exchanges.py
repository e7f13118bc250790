import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from parley.metrics.classification import accuracy, first_places
from parley.metrics.exchanges import chance, hits, log_probabilities, nll_nats, target_ranks

SCORES = np.array([[3.0, 1.0, 2.0, 0.0], [3.0, 1.0, 2.0, 0.0], [5.0, 5.0, 5.0, 1.0]])
TARGETS = np.array([0, 2, 1])


def test_ranks_and_hits_of_a_case_done_by_hand():
    # The third has three candidates in the first place: mean rank 2, and one chance in three to be first.
    assert target_ranks(SCORES, TARGETS).tolist() == [1, 2, 2]
    assert hits(SCORES, TARGETS, 1) == pytest.approx([1, 0, 1 / 3])
    assert hits(SCORES, TARGETS, 2) == pytest.approx([1, 1, 2 / 3])
    assert accuracy(SCORES, TARGETS, 1) == pytest.approx(4 / 9)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_constant_scores_give_chance_and_not_one(k):
    targets = np.arange(5)
    assert accuracy(np.zeros((5, 5)), targets, k) == pytest.approx(chance(k, 5)) == pytest.approx(k / 5)
    assert target_ranks(np.zeros((5, 5)), targets).tolist() == [3.0] * 5


def test_random_scores_give_chance_within_sampling_error():
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(20_000, 8)), rng.integers(0, 8, 20_000)
    sd = np.sqrt(1 / 8 * 7 / 8 / 20_000)
    assert abs(accuracy(scores, targets, 1) - 1 / 8) < 4 * sd


def test_the_best_and_the_worst_agent():
    scores = np.eye(6)
    assert accuracy(scores, np.arange(6)) == 1
    assert accuracy(-scores, np.arange(6), 5) == 0


def test_chance_with_k_above_the_number_of_candidates():
    assert chance(10, 4) == 1
    assert accuracy(SCORES, TARGETS, 10) == 1


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (7, 5), elements=st.integers(-3, 3)), st.lists(st.integers(0, 4), min_size=7, max_size=7))
def test_ranks_are_those_of_scipy_and_hits_rise_to_one(scores, targets):
    targets = np.array(targets)
    expected = [rankdata(-row, method="average")[target] for row, target in zip(scores, targets, strict=True)]
    assert target_ranks(scores, targets).tolist() == expected
    by_k = np.array([hits(scores, targets, k) for k in range(1, 6)])
    assert (np.diff(by_k, axis=0) >= 0).all()
    assert (by_k[-1] == 1).all()
    # The expected number of k that miss is the expected rank less one.
    assert (1 - by_k).sum(axis=0) + 1 == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, (4, 6), elements=st.integers(-2, 2)), st.permutations(range(6)))
def test_the_order_of_candidates_does_not_matter(scores, order):
    targets = np.array([0, 1, 2, 3])
    moved = np.array([order.index(target) for target in targets])
    assert hits(scores[:, order], moved, 2) == pytest.approx(hits(scores, targets, 2))
    assert nll_nats(scores[:, order], moved) == pytest.approx(nll_nats(scores, targets))


def test_nll_in_nats():
    assert nll_nats(np.zeros((3, 7)), np.array([0, 3, 6])) == pytest.approx(np.log(7))
    assert nll_nats(np.array([[0.0, np.log(3)]]), np.array([1])) == pytest.approx([-np.log(0.75)])


def test_huge_scores_do_not_overflow():
    logs = log_probabilities(np.array([[1e4, 0.0, -1e4]], dtype=np.float32))
    assert logs.tolist() == [[0.0, -1e4, -2e4]]


def test_first_places_are_shared():
    assert first_places(SCORES)[2] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    scores = np.array([[bad, 0.0]])
    for function in (target_ranks, lambda s, t: hits(s, t, 1), nll_nats):
        with pytest.raises(ValueError, match="finite"):
            function(scores, np.array([0]))
