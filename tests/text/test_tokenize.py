import string
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.text.word_vectors import STOP_WORDS, description_words

LION = "large gregarious predatory feline of Africa and India having a tawny coat with a shaggy mane in the male"


def test_known_gloss():
    assert description_words(LION) == [
        "large", "gregarious", "predatory", "feline", "africa", "india", "tawny", "coat", "shaggy", "mane", "male",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Short-tailed, short-tailed; SHORT-TAILED.", ["short-tailed"]),
        ("the animal's fur (brown)", ["animal", "fur", "brown"]),
        ("two-toed feet; 12 bands", ["two-toed", "feet", "12", "bands"]),
        ("`moo-cow' says a child", ["moo-cow", "says", "child"]),
        ("Pfälzer Löwe, 獅子", ["pfälzer", "löwe", "獅子"]),
        ("of the and", []),
        ("", []),
    ],
)
def test_tokens(text, words):
    assert description_words(text) == words


@given(st.text(alphabet=string.printable + "éß'’-", max_size=80))
def test_words_are_unique_lower_case_without_stop_words(text):
    words = description_words(text)
    assert len(set(words)) == len(words)
    assert not STOP_WORDS.intersection(words)
    assert all(word == word.lower() and not set(word) & set(string.punctuation) - {"-", "'"} for word in words)


@given(st.lists(st.sampled_from(["fur", "mane", "horn", "the", "of", "tail"]), max_size=12))
def test_order_is_that_of_first_occurrence(tokens):
    expected = []
    for token in tokens:
        if token not in STOP_WORDS and token not in expected:
            expected.append(token)
    assert description_words(" ".join(tokens)) == expected


def test_order_does_not_depend_on_the_hash_seed():
    code = f"from parley.text.word_vectors import description_words; print(description_words({LION!r}))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1
