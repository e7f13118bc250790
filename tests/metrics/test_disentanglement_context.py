"""Context independence, by hand and for languages of known score."""

import warnings

import made_languages as languages
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.metrics.disentanglement import independence_test


def context_independence(messages, concepts):
    return independence_test(messages, concepts, 0, np.random.default_rng(0)).value


FOUR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def test_context_independence_by_hand():
    assert context_independence(FOUR, FOUR) == pytest.approx(1)
    # "a": bit value 0 in 2 of its 3 messages, never in one of "b", so 1 · 2/3. "b": 1 in all of its own, and in one
    # of "a", so 1/2 · 1.
    messages = np.array([[0], [0], [1], [1]])
    assert context_independence(messages, np.array(["a", "a", "a", "b"])) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_among_symbols_equally_clear_the_frequent_one_counts():
    # Bit values 1 of both positions are all of "b"; the second is in both of its messages, the first in one.
    messages, concepts = np.array([[0, 0], [0, 0], [1, 1], [0, 1]]), np.array([0, 0, 1, 1])
    assert context_independence(messages, concepts) == pytest.approx(1)
    assert context_independence(messages[:, ::-1], concepts) == pytest.approx(1)


def test_the_clearest_symbol_counts_and_not_the_most_frequent():
    # "a": the first bit is 1 in one of its three messages and in no other; the second is 1 in all three, and in "b".
    # "b": the first bit is 0 in all of its messages, and in two of "a".
    messages, concepts = np.array([[1, 1], [0, 1], [0, 1], [0, 1]]), np.array(["a", "a", "a", "b"])
    assert context_independence(messages, concepts) == pytest.approx((1 / 3 + 1 / 3) / 2)


def test_context_independence_of_bits_that_share_a_class():
    made = languages.compositional()
    # Each bit value is in half of the messages, and all of a class hold it.
    assert context_independence(made.messages, made.classes) == pytest.approx(2 / 16)
    # Of an attribute with four values, half of what a bit value is about is one value.
    assert context_independence(made.messages, made.attributes) == pytest.approx(1 / 2)


def test_a_language_of_one_message():
    made = languages.constant()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A sixteenth of the dialogues is about each class, a quarter about each value of an attribute.
        assert context_independence(made.messages, made.classes) == pytest.approx(1 / 16)
        assert context_independence(made.messages, made.attributes) == pytest.approx(1 / 4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(4)))
def test_neither_order_of_bits_nor_of_attributes_matters(seed, order):
    made = languages.random(copies=2, seed=seed)
    found = context_independence(made.messages, made.attributes)
    assert 0 <= found <= 1
    assert context_independence(made.messages[:, order], made.attributes[:, ::-1]) == pytest.approx(found)


def test_random_bits_encode_no_attribute():
    made = languages.random(copies=200)
    # Half of the messages about a concept hold the bit value, and a quarter of those are about it.
    assert context_independence(made.messages, made.attributes) == pytest.approx(1 / 8, abs=0.02)


def test_the_null_is_the_metric_with_permuted_concepts():
    made = languages.random(copies=2, seed=3)
    found = independence_test(made.messages, made.classes, 8, np.random.default_rng(4))
    assert found.value == pytest.approx(context_independence(made.messages, made.classes))
    lots = np.random.default_rng(4)
    for value in found.null:
        moved = made.classes[lots.permutation(len(made.classes))]
        assert value == pytest.approx(context_independence(made.messages, moved))


def test_a_bit_per_concept_is_beyond_the_null_and_random_bits_inside():
    classes = np.repeat(np.arange(6), 5)
    assert independence_test(np.eye(6, dtype=int)[classes], classes, 300, np.random.default_rng(0)).p == 1 / 301
    ps = []
    for seed in range(30):
        messages = np.random.default_rng(seed).integers(0, 2, (30, 8))
        ps.append(independence_test(messages, classes, 100, np.random.default_rng(seed)).p)
    assert 6 <= (np.array(ps) < 0.5).sum() <= 24
    assert (np.array(ps) < 0.02).sum() <= 3
