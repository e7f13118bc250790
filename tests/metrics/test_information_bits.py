"""Metrics of single bits, by hand and for languages of known score."""

import warnings

import made_languages as languages
import numpy as np
import pytest

from parley.metrics.information import (
    as_bits,
    bit_entropies,
    bit_information,
    bit_use,
    codes,
    dead_bits,
    distinct_fraction,
    row_information,
)

MESSAGES = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 0, 1], [0, 1, 1, 0]], dtype=np.int8)


def test_use_entropy_and_dead_bits_by_hand():
    assert bit_use(MESSAGES).tolist() == [0, 1, 0.5, 0.25]
    assert bit_entropies(MESSAGES) == pytest.approx([0, 0, 1, 2 - 0.75 * np.log2(3)])
    assert dead_bits(MESSAGES).tolist() == [True, True, False, False]
    assert distinct_fraction(MESSAGES) == 0.75


def test_bits_that_are_floats_count_too():
    assert bit_use(MESSAGES.astype(np.float32)).tolist() == bit_use(MESSAGES).tolist()
    assert as_bits(MESSAGES.astype(bool)).dtype == np.int64


def test_information_of_each_bit():
    labels = np.array(["a", "b", "b", "a"])
    found = bit_information(MESSAGES, labels)
    # The third bit is the class; 2 + 2 - 2 - 1 is one cell too few, worth 1 / 8 nat.
    assert found[2] == pytest.approx(1 + 1 / 8 / np.log(2))
    assert found[3] == pytest.approx(row_information(codes(MESSAGES[:, 3])[None], codes(labels))[1][0])
    assert found[:2].tolist() == [0, 0]


def test_bits_of_a_compositional_language_share_the_information_on_the_class():
    made = languages.compositional(copies=50)
    assert bit_entropies(made.messages) == pytest.approx([1] * 4)
    assert bit_information(made.messages, made.classes).sum() == pytest.approx(4, abs=0.1)
    assert distinct_fraction(made.messages) == 16 / 800


def test_bits_of_a_random_language_carry_no_information():
    found = np.mean(
        [bit_information(m.messages, m.classes) for m in (languages.random(20, seed) for seed in range(20))], axis=0
    )
    assert np.abs(found).max() < 0.02


def test_a_constant_language():
    made = languages.constant()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dead_bits(made.messages).all()
        assert bit_entropies(made.messages).tolist() == [0] * 4
        assert bit_information(made.messages, made.classes).tolist() == [0] * 4
    assert distinct_fraction(made.messages) == 1 / 64


@pytest.mark.parametrize("messages", [np.array([[0.5, 1.0]]), np.array([[np.nan, 1.0]]), np.array([[2, 1]])])
def test_continuous_messages_have_no_bits(messages):
    with pytest.raises(ValueError, match="need binary messages"):
        bit_use(messages)


def test_an_empty_table_of_messages_is_refused():
    with pytest.raises(ValueError, match="at least one row"):
        dead_bits(np.zeros((0, 3)))
