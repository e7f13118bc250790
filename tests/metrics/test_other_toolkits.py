"""Parley's metrics against the definitions of EGG and emlangkit, as docs/development/other-toolkits.md lists them.

EGG is not on the package index. Its definitions (`egg/core/language_analysis.py`) are written here again, in plain
Python and from their description on that page; none of its code is used. emlangkit runs itself.
"""

import math
import operator
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import made_languages
import numpy as np
import pytest
from scipy.stats import spearmanr

from parley.metrics.disentanglement import bag_of_symbols_test, positional_test
from parley.metrics.information import codes, entropy_bits, mutual_information_bits
from parley.metrics.topographic import attribute_distances, mantel, mantel_of_classes


def uneven():
    """A compositional language with one bit of noise, whose classes differ in size."""
    language = made_languages.compositional(copies=12)
    draw = np.random.default_rng(3)
    kept = np.sort(draw.choice(len(language.classes), 70, replace=False))
    flips = draw.random((70, 4)) < 0.15
    return made_languages.Language(language.messages[kept] ^ flips, language.attributes[kept], language.classes[kept])


LANGUAGES = {
    "compositional": made_languages.compositional(),
    "holistic": made_languages.holistic(),
    "random": made_languages.random(width=7),
    "uneven": uneven(),
}
every_language = pytest.mark.parametrize("name", LANGUAGES)
CLOSE = {"abs": 1e-9, "rel": 0}


def entropy(symbols):
    """Of relative frequencies, in bits."""
    shares = [count / len(symbols) for count in Counter(symbols).values()]
    return -sum(share * math.log2(share) for share in shares)


def information(xs, ys):
    return entropy(xs) + entropy(ys) - entropy(list(zip(xs, ys, strict=True)))


def disentanglement(attributes, columns):
    """Gap of the two largest informations about attributes over the entropy, mean of the columns that vary."""
    gaps = []
    for column in columns:
        if entropy(column) > 0:
            second, first = sorted(information(attribute, column) for attribute in attributes)[-2:]
            gaps.append((first - second) / entropy(column))
    return sum(gaps) / len(gaps) if gaps else math.nan


def edit_distance(first, second):
    """Insertions, deletions and substitutions, over the mean length."""
    row = list(range(len(second) + 1))
    for i, one in enumerate(first, 1):
        before, row = row, [i]
        for j, other in enumerate(second, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (one != other)))
    return row[-1] / ((len(first) + len(second)) / 2)


def hamming(first, second):
    return sum(one != other for one, other in zip(first, second, strict=True)) / len(first)


def cosine(first, second):
    return round(1 - sum(map(operator.mul, first, second)) / math.hypot(*first) / math.hypot(*second), 12)


def topsim(meanings, messages, of_meanings, of_messages):
    distances = [
        [distance(one, other) for one, other in combinations(rows.tolist(), 2)]
        for rows, distance in ((meanings, of_meanings), (messages, of_messages))
    ]
    return spearmanr(*distances).correlation


def value(test, *arguments):
    """The value of Parley's test, without permutations."""
    found = test(*arguments, 0, np.random.default_rng(0))
    return None if found is None else found.value


def by_attributes(messages, classes, meanings, *rest):
    return mantel_of_classes(messages, classes, meanings, *rest, attribute_distances)


def rows_of(language):
    """Each distinct class as a row of attributes, and the row of each message."""
    ids, own = np.unique(language.classes, return_inverse=True)
    return own, np.stack([ids // 4, ids % 4], axis=1)


@every_language
def test_entropy_and_information_are_eggs(name):
    language = LANGUAGES[name]
    messages, labels = [*map(tuple, language.messages.tolist())], language.classes.tolist()
    assert entropy_bits(language.messages) == pytest.approx(entropy(messages), **CLOSE)
    assert entropy_bits(language.classes) == pytest.approx(entropy(labels), **CLOSE)
    assert mutual_information_bits(language.messages, language.classes) == pytest.approx(
        information(messages, labels), **CLOSE
    )


@every_language
def test_disentanglement_is_eggs(name):
    language, (own, attributes) = LANGUAGES[name], rows_of(LANGUAGES[name])
    concepts = language.attributes.T.tolist()
    positions = language.messages.T.tolist()
    assert value(positional_test, language.messages, own, attributes) == pytest.approx(
        disentanglement(concepts, positions), **CLOSE
    )
    # EGG leaves out the symbol 0, its end of message. What is left of bits are the ones.
    ones = [language.messages.sum(axis=1).tolist()]
    assert value(bag_of_symbols_test, language.messages, own, attributes) == pytest.approx(
        disentanglement(concepts, ones), **CLOSE
    )


@every_language
def test_topographic_similarity_is_eggs_with_hamming_distances(name):
    language, (own, attributes) = LANGUAGES[name], rows_of(LANGUAGES[name])
    theirs = topsim(language.attributes, language.messages, hamming, hamming)
    assert value(by_attributes, language.messages, own, attributes) == pytest.approx(theirs, **CLOSE)


@every_language
def test_topographic_similarity_of_descriptions_is_eggs_with_cosine_and_hamming(name):
    language, (own, attributes) = LANGUAGES[name], rows_of(LANGUAGES[name])
    descriptions = np.random.default_rng(7).normal(size=(len(attributes), 9))
    theirs = topsim(descriptions[own], language.messages, cosine, hamming)
    assert value(mantel_of_classes, language.messages, own, descriptions) == pytest.approx(theirs, **CLOSE)
    assert value(mantel, language.messages, descriptions[own]) == pytest.approx(theirs, **CLOSE)


def test_eggs_default_distance_of_messages_is_another():
    own, attributes = rows_of(LANGUAGES["random"])
    language = LANGUAGES["random"]
    edits = topsim(language.attributes, language.messages, hamming, edit_distance)
    assert edit_distance([0, 1, 0, 1], [1, 0, 1, 0]) == 2 / 4
    assert hamming([0, 1, 0, 1], [1, 0, 1, 0]) == 1
    assert abs(edits - value(by_attributes, language.messages, own, attributes)) > 1e-3


@every_language
def test_emlangkit_has_eggs_defaults_for_topographic_similarity(name):
    emlangkit = pytest.importorskip("emlangkit", reason="emlangkit is in the extra `test`: uv sync --extra test")
    language = LANGUAGES[name]
    theirs, _ = emlangkit.Language(language.messages, language.attributes).topsim()
    assert theirs == pytest.approx(topsim(language.attributes, language.messages, hamming, edit_distance), **CLOSE)


@every_language
def test_emlangkit_agrees_on_classes_of_any_size(name):
    emlangkit = pytest.importorskip("emlangkit", reason="emlangkit is in the extra `test`: uv sync --extra test")
    language, (own, attributes) = LANGUAGES[name], rows_of(LANGUAGES[name])
    reference = emlangkit.Language(language.messages, language.attributes)
    assert entropy_bits(language.messages) == pytest.approx(reference.language_entropy(), **CLOSE)
    found = mutual_information_bits(language.messages, codes(language.attributes))
    assert found == pytest.approx(reference.mutual_information(), **CLOSE)
    assert value(positional_test, language.messages, own, attributes) == pytest.approx(reference.posdis(), **CLOSE)
    assert value(bag_of_symbols_test, language.messages, own, attributes) == pytest.approx(reference.bosdis(), **CLOSE)


def test_a_constant_language_has_no_value():
    language = made_languages.constant()
    own, attributes = rows_of(language)
    assert math.isnan(disentanglement(language.attributes.T.tolist(), language.messages.T.tolist()))
    assert value(positional_test, language.messages, own, attributes) is None
    assert value(by_attributes, language.messages, own, attributes) is None


@every_language
def test_the_page_has_the_values(name):
    language, (own, attributes) = LANGUAGES[name], rows_of(LANGUAGES[name])
    page = Path(__file__).parents[2] / "docs/development/other-toolkits.md"
    (row,) = re.findall(rf"^\| {name} \|(.*)\|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    found = [
        entropy_bits(language.messages),
        mutual_information_bits(language.messages, language.classes),
        value(positional_test, language.messages, own, attributes),
        value(bag_of_symbols_test, language.messages, own, attributes),
        value(by_attributes, language.messages, own, attributes),
        topsim(language.attributes, language.messages, hamming, edit_distance),
    ]
    assert found == pytest.approx([*map(float, row.split("|"))], abs=5e-5)
