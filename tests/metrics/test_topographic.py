"""Topographic similarity and Mantel's test, against SciPy and for languages of known score."""

import warnings
from itertools import combinations, permutations

import made_languages as languages
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import kstest, rankdata, spearmanr

from parley.metrics import topographic
from parley.metrics.topographic import (
    attribute_distances,
    mantel,
    mantel_of_classes,
    mean_ranks,
    meaning_distances,
    message_distances,
)


def topographic_similarity(messages, meanings):
    found = mantel(messages, meanings, 0, np.random.default_rng(0))
    return None if found is None else found.value


def one_hot(attributes):
    return np.concatenate([np.eye(4)[attributes[:, column]] for column in range(attributes.shape[1])], axis=1)


def test_distances_of_messages_are_hamming_in_bits():
    messages = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0]], dtype=np.int8)
    assert message_distances(messages).tolist() == [1, 3, 2]
    assert message_distances(np.array([[0.5], [-1.0]])).tolist() == [1.5]


def test_distances_of_meanings_are_those_of_scipy():
    rows = np.random.default_rng(0).normal(size=(20, 7)) + 3
    assert meaning_distances(rows) == pytest.approx(pdist(rows, "cosine"))


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0, 7.5, -2.0, 1e-300]) | st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_ranks_are_those_of_scipy_to_the_last_bit(values):
    np.testing.assert_array_equal(mean_ranks(np.array(values)), rankdata(values))


def test_equal_meanings_are_ties_whatever_the_rounding():
    kinds = np.random.default_rng(1).normal(size=(3, 50)) + 10
    found = meaning_distances(np.repeat(kinds, 20, axis=0))
    assert len(set(found.tolist())) == 4
    assert found.min() == 0


@pytest.mark.parametrize("seed", range(3))
def test_similarity_is_that_of_scipy(seed):
    rng = np.random.default_rng(seed)
    messages, meanings = rng.integers(0, 2, (30, 8)), rng.normal(size=(30, 5))
    expected = spearmanr(pdist(messages, "hamming"), pdist(meanings, "cosine")).statistic
    assert topographic_similarity(messages, meanings) == pytest.approx(expected)


def directions(*degrees):
    """Meanings in the plane, whose cosine distance grows with the angle between them."""
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


def test_similarity_by_hand():
    # Distances of messages 1, 3, 2 and angles of meanings 10, 40, 30 rise together; then 10, 20, 30 do not.
    messages = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0]])
    assert topographic_similarity(messages, directions(0, 10, 40)) == pytest.approx(1)
    # Ranks 1, 3, 2 against 1, 2, 3.
    assert topographic_similarity(messages, directions(10, 0, 30)) == pytest.approx(0.5)


def test_languages_of_known_score():
    score = {
        name: topographic_similarity(made.messages, one_hot(made.attributes))
        for name, made in [
            ("compositional", languages.compositional()),
            ("holistic", languages.holistic()),
            ("random", languages.random()),
        ]
    }
    assert score["compositional"] > 0.7
    assert abs(score["random"]) < 0.1
    assert score["random"] < score["holistic"] < score["compositional"]


def test_messages_that_are_the_meanings_have_similarity_one():
    bits = np.random.default_rng(0).integers(0, 2, (40, 10))
    # Of vectors of -1 and 1, the cosine distance is the fraction of positions that differ, times two.
    assert topographic_similarity(bits, 2 * bits - 1) == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(4)), st.integers(0, 15))
def test_neither_order_nor_polarity_of_bits_matters(seed, order, flips):
    made = languages.random(copies=1, seed=seed)
    meanings = np.random.default_rng(seed).normal(size=(16, 3))
    flipped = made.messages[:, order] ^ ((flips >> np.arange(4)) & 1)
    assert topographic_similarity(flipped, meanings) == pytest.approx(topographic_similarity(made.messages, meanings))


@pytest.mark.parametrize("n", [5, 150])
def test_the_null_is_the_similarity_to_permuted_meanings(n):
    rng = np.random.default_rng(3)
    messages, meanings = rng.integers(0, 2, (n, 6)), rng.normal(size=(n, 4))
    found = mantel(messages, meanings, 6, np.random.default_rng(11))
    generator = np.random.default_rng(11)
    expected = [topographic_similarity(messages, meanings[generator.permutation(n)]) for _ in range(6)]
    assert found.null == pytest.approx(expected, abs=1e-6)
    assert found.value == topographic_similarity(messages, meanings)
    assert found.p == (1 + sum(value >= found.value - 1e-6 for value in expected)) / 7


# With seed 0, four of the 120 permutations give the value found, and none a higher one.
@pytest.mark.parametrize("seed", [0, 6])
def test_p_is_close_to_that_of_all_permutations(seed):
    rng = np.random.default_rng(seed)
    messages, meanings = rng.integers(0, 2, (5, 6)), rng.normal(size=(5, 3))
    rho = topographic_similarity(messages, meanings)
    every = [topographic_similarity(messages, meanings[list(order)]) for order in permutations(range(5))]
    exact = np.mean([value >= rho - 1e-9 for value in every])
    assert 0.02 < exact < 0.9
    assert mantel(messages, meanings, 3000, np.random.default_rng(0)).p == pytest.approx(exact, rel=0.2)


def test_ties_count_in_spite_of_rounding():
    # A square has eight symmetries among the 24 orders of its corners, and each of them gives 1 again.
    square = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    found = mantel(square, 2 * square - 1, 2000, np.random.default_rng(0))
    assert found.value == pytest.approx(1)
    assert found.p == pytest.approx(1 / 3, abs=0.03)


def test_p_of_random_messages_is_spread_out_and_of_a_language_small():
    ps = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ps.append(mantel(rng.integers(0, 2, (25, 8)), rng.normal(size=(25, 4)), 99, rng).p)
    assert 0.35 < np.mean(ps) < 0.65
    assert np.mean(np.array(ps) <= 0.1) < 0.25
    made = languages.compositional()
    assert mantel(made.messages, one_hot(made.attributes), 99, np.random.default_rng(0)).p == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("messages", "meanings"),
    [
        (languages.constant().messages, one_hot(languages.constant().attributes)),
        (languages.random().messages, np.ones((64, 3)) * 0.1),
        (np.array([[0, 1]]), np.array([[1.0]])),
        (np.array([[0, 1], [1, 1]]), np.array([[1.0], [2.0]])),
    ],
)
def test_similarity_is_undefined_if_one_side_does_not_vary(messages, meanings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mantel(messages, meanings, 9, np.random.default_rng(0)) is None


def test_invalid_meanings_are_refused():
    with pytest.raises(ValueError, match="all zeros is undefined"):
        meaning_distances(np.array([[0.0, 0], [1, 0]]))
    with pytest.raises(ValueError, match="finite"):
        meaning_distances(np.array([[np.nan, 0], [1, 0]]))


def test_blocks_of_rows_do_not_matter(monkeypatch):
    rng = np.random.default_rng(5)
    messages, meanings = rng.integers(0, 2, (20, 6)), rng.normal(size=(20, 4))
    whole = mantel(messages, meanings, 5, np.random.default_rng(0)).null
    monkeypatch.setattr(topographic, "ROWS", 3)
    assert mantel(messages, meanings, 5, np.random.default_rng(0)).null == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("sizes", [[4] * 6, [1, 5, 3, 7, 2]])
def test_the_test_of_classes_permutes_meanings_over_classes(sizes):
    draw = np.random.default_rng(0)
    classes = draw.permutation(np.repeat(np.arange(len(sizes)), sizes))
    meanings = draw.normal(size=(len(sizes) + 1, 5)).round(1)  # no dialogue is about the last class
    messages = draw.integers(0, 2, (len(classes), 6))
    found = mantel_of_classes(messages, classes, meanings, 10, np.random.default_rng(1))
    assert found.value == pytest.approx(topographic_similarity(messages, meanings[classes]))
    lots = np.random.default_rng(1)
    for value in found.null:
        moved = meanings[lots.permutation(len(sizes))][classes]
        assert value == pytest.approx(topographic_similarity(messages, moved), abs=1e-6)


@pytest.mark.parametrize("copies", [1, 4, 20])
def test_only_a_compositional_language_exceeds_the_null_of_classes(copies):
    meanings = np.concatenate([np.eye(4)[column] for column in languages.things(1).T], axis=1)
    ps = []
    for seed in range(40):
        made = languages.holistic(copies, seed)
        ps.append(mantel_of_classes(made.messages, made.classes, meanings, 100, np.random.default_rng(seed)).p)
    assert 10 <= (np.array(ps) < 0.5).sum() <= 30
    assert (np.array(ps) < 0.05).sum() <= 6
    good = languages.compositional(copies)
    assert mantel_of_classes(good.messages, good.classes, meanings, 500, np.random.default_rng(0)).p == 1 / 501


def test_the_test_of_classes_is_undefined_for_equal_meanings_or_one_message():
    made, draw = languages.compositional(), np.random.default_rng(0)
    assert mantel_of_classes(made.messages, made.classes, np.ones((16, 3)), 5, draw) is None
    assert mantel_of_classes(np.ones((64, 4)), made.classes, np.eye(16), 5, draw) is None
    assert mantel_of_classes(made.messages, np.zeros(64, int), np.eye(16), 5, draw) is None


def to_attributes(messages, classes, attributes, permutations=0, seed=0):
    """Test the topographic similarity to the attributes of the classes."""
    draw = np.random.default_rng(seed)
    return mantel_of_classes(messages, classes, attributes, permutations, draw, attribute_distances)


def drawn(seed, copies=3):
    """Draw messages about 9 classes that have 5 attributes of different numbers of values."""
    draw = np.random.default_rng(seed)
    classes = draw.permutation(np.repeat(np.arange(9), draw.integers(1, copies + 1, 9)))
    return draw.integers(0, 2, (len(classes), 6)), classes, draw.integers(0, [2, 2, 3, 4, 9], (9, 5))


def test_the_distance_of_attributes_is_the_fraction_that_differs_by_hand():
    # As numbers, 0 and 7 would be farther apart than 0 and 1.
    assert attribute_distances(np.array([[0, 1, 0, 0], [1, 1, 0, 0], [7, 0, 0, 0]])).tolist() == [0.25, 0.5, 0.5]


@pytest.mark.parametrize("seed", range(3))
def test_attribute_similarity_matches_scipy(seed):
    messages, classes, table = drawn(seed)
    pairs = list(combinations(range(len(classes)), 2))
    said = [sum(a != b for a, b in zip(messages[i], messages[j], strict=True)) for i, j in pairs]
    meant = [sum(a != b for a, b in zip(table[classes[i]], table[classes[j]], strict=True)) for i, j in pairs]
    found = to_attributes(messages, classes, table, 5, seed)
    assert found.value == pytest.approx(spearmanr(said, meant).statistic)
    lots, ids = np.random.default_rng(seed), np.unique(classes)
    for value in found.null:
        moved = table[ids][lots.permutation(len(ids))]
        meant = [sum(a != b for a, b in zip(moved[classes[i]], moved[classes[j]], strict=True)) for i, j in pairs]
        assert value == pytest.approx(spearmanr(said, meant).statistic, abs=1e-6)


def test_attribute_similarity_of_compositional_and_one_hot_languages():
    good, table = languages.compositional(), languages.things(1)
    values = one_hot(good.attributes)  # a bit per value
    found = to_attributes(values, good.classes, table, 300)
    assert found.value == pytest.approx(1)
    assert found.p == 1 / 301
    binary = np.random.default_rng(0).permutation(good.messages[::4])  # a bit per attribute
    assert to_attributes(np.repeat(binary, 3, axis=0), np.repeat(np.arange(16), 3), binary).value == pytest.approx(1)
    # A bit per class: all classes are equally far from each other.
    named = to_attributes(np.eye(16)[good.classes], good.classes, table, 300)
    assert named.value < 0.6
    assert named.p == 1


@pytest.mark.parametrize("speak", [languages.random, languages.holistic])
def test_p_of_a_language_without_attributes_is_uniform(speak):
    table, found = languages.things(1), []
    for seed in range(150):
        made = speak(2, seed)
        found.append(to_attributes(made.messages, made.classes, table, 99, seed))
    assert kstest([one.p for one in found], "uniform").pvalue > 0.01
    excess = [one.corrected for one in found]
    assert abs(np.mean(excess)) < 3 * np.std(excess) / len(excess) ** 0.5
    if speak is languages.random:
        assert abs(np.mean([one.value for one in found])) < 0.02


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(9)), st.permutations(range(5)), st.data())
def test_distance_depends_only_on_which_attributes_differ(seed, order, columns, data):
    messages, classes, table = drawn(seed)
    value = to_attributes(messages, classes, table).value
    # Numbers, order, and further columns that are the same for all classes.
    renumbered = np.argsort(order)[classes]
    assert to_attributes(messages, renumbered, table[list(order)]).value == pytest.approx(value)
    assert to_attributes(messages, classes, table[:, columns]).value == value
    codes = data.draw(st.permutations(range(9)))
    assert to_attributes(messages, classes, np.array(codes)[table]).value == value
    constant = np.full((9, data.draw(st.integers(1, 40))), 3)
    assert to_attributes(messages, classes, np.hstack([table, constant])).value == value
    assert to_attributes(messages, classes, np.hstack([table, table])).value == value


def test_similarity_to_attributes_that_all_classes_share_is_undefined():
    made = languages.compositional()
    assert to_attributes(made.messages, made.classes, np.ones((16, 3), int)) is None
    assert to_attributes(made.messages[:4], made.classes[:4], languages.things(1)) is None  # one class
