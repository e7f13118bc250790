"""Entropy and mutual information, against hand counts, scikit-learn and languages of known score."""

import warnings

import made_languages as languages
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from parley.metrics import information
from parley.metrics.information import (
    codes,
    entropy_bits,
    information_test,
    mutual_information_bits,
    row_entropies,
    row_information,
)

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40)


def miller_madow_bits(values, labels):
    return float(row_information(codes(values)[None], codes(labels))[1][0])


def test_equal_rows_get_the_same_code():
    assert codes(np.array([[0, 1], [1, 0], [0, 1], [0, 0]])).tolist() == [1, 2, 1, 0]
    assert codes(np.array(["b", "a", "b"])).tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="at least one dialogue"):
        codes(np.zeros((0, 3)))


def test_entropy_by_hand():
    assert entropy_bits(np.array([5, 5, 5])) == 0
    assert entropy_bits(np.array([[0, 0], [0, 1], [1, 0], [1, 1]])) == 2
    # Shares 1/2, 1/4, 1/8 and 1/8.
    assert entropy_bits(np.array([0, 0, 0, 0, 1, 1, 2, 3])) == pytest.approx(1.75)


@pytest.mark.parametrize("n", range(1, 60))
def test_a_constant_has_an_entropy_of_exactly_zero(n):
    assert entropy_bits(np.full(n, 3)) == 0


def test_entropies_of_several_rows():
    bits, distinct = row_entropies(np.array([[0, 0, 0, 0], [7, 1, 7, 1], [1, 2, 3, 4], [0, 0, 0, 9]]))
    assert bits == pytest.approx([0, 1, 2, 2 - 0.75 * np.log2(3)])
    assert distinct.tolist() == [1, 2, 4, 2]


def test_information_by_hand_and_its_correction():
    # Joint counts [[2, 1], [0, 1]]: H(x) = 0.8113, H(y) = 1, H(x, y) = 1.5.
    x, y = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert mutual_information_bits(x, y) == pytest.approx(2 - 0.75 * np.log2(3) + 1 - 1.5)
    # Two symbols, two labels, three cells: (2 + 2 - 3 - 1) / 2N is nothing.
    assert miller_madow_bits(x, y) == pytest.approx(mutual_information_bits(x, y))
    # Independent: no information, and four cells take away 1 / 8 nat.
    x, y = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert mutual_information_bits(x, y) == 0
    assert miller_madow_bits(x, y) == pytest.approx(-1 / 8 / np.log(2))


def test_independent_variables_have_zero_mutual_information():
    # The three entropies add up to -9e-16 before it is cut off.
    assert mutual_information_bits(np.repeat(np.arange(3), 11), np.tile(np.arange(11), 3)) == 0


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_information_is_symmetric_bounded_and_that_of_scikit_learn(pairs):
    x, y = np.array(pairs).T
    found = mutual_information_bits(x, y)
    assert found == pytest.approx(mutual_information_bits(y, x), abs=1e-12)
    assert 0 <= found <= min(entropy_bits(x), entropy_bits(y)) + 1e-12
    assert found == pytest.approx(mutual_info_score(x, y) / np.log(2), abs=1e-9)
    assert miller_madow_bits(x, y) == pytest.approx(miller_madow_bits(y, x), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(4)))
def test_the_order_of_the_bits_does_not_matter(seed, order):
    made = languages.random(seed=seed)
    assert entropy_bits(made.messages[:, order]) == pytest.approx(entropy_bits(made.messages))
    moved = mutual_information_bits(made.messages[:, order], made.classes)
    assert moved == pytest.approx(mutual_information_bits(made.messages, made.classes))


@pytest.mark.parametrize("made", [languages.compositional(), languages.holistic()])
def test_one_message_per_class_identifies_the_class(made):
    assert mutual_information_bits(made.messages, made.classes) == pytest.approx(4)
    assert entropy_bits(made.messages) == pytest.approx(4)


def test_several_rows_are_measured_as_one_by_one():
    made = languages.random(seed=2)
    plug_in, miller_madow = row_information(made.messages.T.copy(), made.classes)
    for bit in range(4):
        assert plug_in[bit] == pytest.approx(mutual_information_bits(made.messages[:, bit], made.classes))
        assert miller_madow[bit] == pytest.approx(miller_madow_bits(made.messages[:, bit], made.classes))


def test_the_bias_of_many_distinct_messages_and_its_correction():
    made = languages.random(copies=4, width=32)
    found = information_test(made.messages, made.classes, 50, np.random.default_rng(0))
    assert found.value == pytest.approx(4)
    assert miller_madow_bits(made.messages, made.classes) > 4
    assert found.corrected == pytest.approx(0)
    assert found.p == 1


def test_corrections_remove_most_of_the_bias():
    plug_in, miller_madow, shuffled = [], [], []
    for seed in range(20):
        made = languages.random(copies=20, seed=seed, width=2)
        plug_in.append(mutual_information_bits(made.messages, made.classes))
        miller_madow.append(miller_madow_bits(made.messages, made.classes))
        found = information_test(made.messages, made.classes, 40, np.random.default_rng(seed))
        shuffled.append(found.corrected)
    # (4 - 1) (16 - 1) / 2N ln 2 bits.
    assert np.mean(plug_in) == pytest.approx(45 / (640 * np.log(2)), rel=0.2)
    assert abs(np.mean(miller_madow)) < np.mean(plug_in) / 5
    assert abs(np.mean(shuffled)) < np.mean(plug_in) / 5


def test_the_null_is_that_of_labels_shuffled_one_by_one(monkeypatch):
    made = languages.random(seed=4)
    monkeypatch.setattr(information, "BLOCK", 3 * len(made.classes))
    null = information_test(made.messages, made.classes, 10, np.random.default_rng(7)).null
    generator = np.random.default_rng(7)
    expected = [
        mutual_info_score(codes(made.messages), generator.permuted(made.classes[None], axis=1)[0]) for _ in null
    ]
    assert null == pytest.approx(np.array(expected) / np.log(2))
    assert len(set(null.tolist())) >= 3


def test_p_of_random_labels_is_spread_out_and_of_true_ones_small():
    ps = []
    for seed in range(40):
        made = languages.random(seed=seed)
        ps.append(information_test(made.messages[:, :2], made.classes, 99, np.random.default_rng(seed)).p)
    assert 0.35 < np.mean(ps) < 0.65
    assert np.mean(np.array(ps) <= 0.1) < 0.25
    assert min(ps) >= 0.01
    made = languages.compositional()
    assert information_test(made.messages, made.classes, 99, np.random.default_rng(0)).p == pytest.approx(0.01)


def test_a_constant_language_carries_no_information():
    made = languages.constant()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = information_test(made.messages, made.classes, 20, np.random.default_rng(0))
    assert (found.value, found.corrected, found.p) == (0, 0, 1)
    assert not found.null.any()
    assert miller_madow_bits(made.messages, made.classes) == 0
