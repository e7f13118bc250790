"""Disentanglement, by hand and for languages of known score."""

import warnings

import made_languages as languages
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from parley.metrics.disentanglement import bag_of_symbols_test, positional_test


def positional(symbols, attributes, test=positional_test):
    """The value for dialogues that each have attributes of their own."""
    found = test(symbols, np.arange(len(symbols)), attributes, 0, np.random.default_rng(0))
    return None if found is None else found.value


def bag_of_symbols(messages, attributes):
    return positional(messages, attributes, bag_of_symbols_test)


FOUR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
FIRST, SECOND = FOUR.T


def test_positions_by_hand():
    # Bits that encode the first attribute, both equally, neither alone, and nothing.
    both, odd, dead = FIRST & SECOND, FIRST ^ SECOND, np.zeros(4, int)
    assert positional(FIRST[:, None], FOUR) == pytest.approx(1)
    assert positional(np.stack([FIRST, both], 1), FOUR) == pytest.approx(0.5)
    assert positional(np.stack([FIRST, SECOND, odd], 1), FOUR) == pytest.approx(2 / 3)
    assert positional(np.stack([dead, SECOND, dead], 1), FOUR) == pytest.approx(1)


def test_positions_with_gaps_from_scikit_learn():
    rng = np.random.default_rng(0)
    symbols, attributes = rng.integers(0, 3, (50, 4)), rng.integers(0, 4, (50, 3))
    gaps = []
    for position in symbols.T:
        information = sorted(mutual_info_score(position, attribute) for attribute in attributes.T)
        gaps.append((information[2] - information[1]) / mutual_info_score(position, position))
    assert positional(symbols, attributes) == pytest.approx(np.mean(gaps))


def test_bags_by_hand():
    # The number of ones is the first attribute, wherever they stand.
    messages = np.array([[0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 1]])
    assert bag_of_symbols(messages, FOUR) == pytest.approx(1)
    assert positional(messages, FOUR) < 0.5
    # Counts 0, 1, 1, 2 have half a bit of information about either attribute.
    assert bag_of_symbols(FOUR, FOUR) == pytest.approx(0)
    # Counts 0, 1, 2, 3 have two bits of entropy and one bit of information about either.
    assert bag_of_symbols(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]), FOUR) == 0


def test_zeros_and_ones_count_the_same():
    made = languages.random(seed=3)
    flipped = bag_of_symbols(1 - made.messages, made.attributes)
    assert flipped == pytest.approx(bag_of_symbols(made.messages, made.attributes))


def test_languages_of_known_score():
    good, mixed = languages.compositional(), languages.holistic()
    assert positional(good.messages, good.attributes) == pytest.approx(1)
    assert positional(mixed.messages, mixed.attributes) < 0.5
    lots = [languages.random(30, seed) for seed in range(5)]
    assert np.mean([positional(made.messages, made.attributes) for made in lots]) < 0.02


def test_a_language_of_one_message():
    made = languages.constant()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert positional(made.messages, made.attributes) is None
        assert bag_of_symbols(made.messages, made.attributes) is None


def test_a_single_attribute_is_refused():
    with pytest.raises(ValueError, match="two attributes"):
        positional(FOUR, FIRST[:, None])
    with pytest.raises(ValueError, match="two attributes"):
        positional(FOUR, FIRST)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(4)))
def test_neither_order_of_bits_nor_of_attributes_matters(seed, order):
    made = languages.random(copies=2, seed=seed)
    for measure in (positional, bag_of_symbols):
        found = measure(made.messages, made.attributes)
        assert 0 <= found <= 1
        assert measure(made.messages[:, order], made.attributes[:, ::-1]) == pytest.approx(found)


def test_the_null_is_the_metric_with_permuted_classes():
    made = languages.random(copies=3, seed=1)
    unequal = np.arange(48) % 3 > made.classes % 2  # some classes thrice, some once; no dialogue is about class 16
    messages, classes = made.messages[unequal], made.classes[unequal]
    table = np.concatenate([languages.things(1), [[3, 3]]])
    found = positional_test(messages, classes, table, 10, np.random.default_rng(2))
    assert found.value == pytest.approx(positional(messages, table[classes]))
    lots, ids = np.random.default_rng(2), np.unique(classes)
    for value in found.null:
        moved = dict(zip(ids, table[ids][lots.permutation(len(ids))], strict=True))
        assert value == pytest.approx(positional(messages, np.array([moved[c] for c in classes])))


def test_attributes_encoded_by_single_bits_are_beyond_the_null():
    good, table = languages.compositional(), languages.things(1)
    for test, most in ((positional_test, 1 / 301), (bag_of_symbols_test, 1)):
        found = test(good.messages, good.classes, table, 300, np.random.default_rng(0))
        assert found.p <= most


@pytest.mark.parametrize("copies", [1, 4, 20])
def test_a_language_of_names_is_inside_the_null_for_any_class_frequencies(copies):
    ps = []
    for seed in range(25):
        made = languages.holistic(copies, seed)
        for test in (positional_test, bag_of_symbols_test):
            ps.append(test(made.messages, made.classes, languages.things(1), 100, np.random.default_rng(seed)).p)
    assert 12 <= (np.array(ps) < 0.5).sum() <= 38
    assert (np.array(ps) < 0.05).sum() <= 7


def test_constant_messages_have_no_test():
    made = languages.constant()
    for test in (positional_test, bag_of_symbols_test):
        assert test(made.messages, made.classes, languages.things(1), 10, np.random.default_rng(0)) is None
