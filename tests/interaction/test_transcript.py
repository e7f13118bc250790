"""Dialogues as text: known answers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from parley.game.types import Dialogue
from parley.interaction.transcript import (
    BARS,
    bits_of,
    dialogue_of,
    letters,
    sample_dialogues,
    sparkline,
    transcript,
)

LABELS = ["lion", "zebra", "okapi", "bee"]
BITS = st.lists(st.integers(0, 1), min_size=1, max_size=40)


def dialogue():
    """Two images, three exchanges, six bits: the first dialogue stops after two, the second after three."""
    sender = torch.tensor(
        [
            [[0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1]],
            [[0, 0, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1]],
            [[1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]],
        ],
        dtype=torch.float32,
    )
    receiver = 1 - sender
    scores = torch.log(torch.tensor([[0.1, 0.2, 0.6, 0.1], [0.3, 0.3, 0.2, 0.2]])).repeat(3, 1, 1)
    return Dialogue(
        sender_bits=sender,
        receiver_bits=receiver,
        go_on=torch.tensor([[1.0, 1], [0, 1], [0, 1]]),
        active=torch.tensor([[1.0, 1], [1, 1], [0, 1]]),
        sender_probs=0.2 + 0.6 * sender,
        receiver_probs=0.2 + 0.6 * receiver,
        go_on_probs=torch.tensor([[0.9, 1.0], [0.25, 0.8], [0.5, 0.7]]),
        scores=scores,
    )


def test_a_dialogue_as_text():
    text = transcript(dialogue_of(dialogue(), 0), LABELS, 2, "c0ffee")
    assert text.splitlines() == [
        "c0ffee  okapi  right, 2 of at most 3 exchanges",
        "   1  S ▂▂▂▂▇▇  000011    2",
        "      R ▇▇▇▇▂▂  111100    4  go on █ 0.90: goes on",
        "      *okapi 0.60  zebra 0.20  lion 0.10",
        "   2  S ▂▂▂▂▇▂  000010    1",
        "      R ▇▇▇▇▂▇  111101    1  go on ▃ 0.25: stops",
        "      *okapi 0.60  zebra 0.20  lion 0.10",
    ]


def test_bits_as_letters():
    text = transcript(dialogue_of(dialogue(), 0), LABELS, 2, "c0ffee", as_letters=True).splitlines()
    assert text[1] == "   1  S ▂▂▂▂▇▇  B B    2"
    assert text[5].startswith("      R ▇▇▇▇▂▇  _ B    1")


def test_a_wrong_answer_is_shown():
    text = transcript(dialogue_of(dialogue(), 1), LABELS, 1, "0ff")
    assert text.startswith("0ff  zebra  wrong: named lion, 3 of at most 3 exchanges\n")
    assert text.splitlines()[-1] == "      lion 0.30  *zebra 0.30  okapi 0.20"


def test_the_last_possible_exchange_is_the_last_even_if_its_bit_is_to_go_on():
    text = transcript(dialogue_of(dialogue(), 1), LABELS, 1, "0ff").splitlines()
    assert [line.split(": ")[1] for line in text if "go on" in line] == ["goes on", "goes on", "stops"]


def test_dialogues_are_separated_by_a_blank_line():
    text = sample_dialogues(dialogue(), torch.tensor([2, 1]), LABELS, [1, 0, 5], keys=["a", "b"])
    heads = [text.split("  ")[0] for text in text.split("\n\n")]
    assert heads == ["b", "a"]
    assert text.endswith("lion 0.10\n")
    assert sample_dialogues(dialogue(), torch.tensor([2, 1]), LABELS, []) == ""


def test_without_keys_images_are_numbered():
    assert sample_dialogues(dialogue(), torch.tensor([2, 1]), LABELS, [1]).startswith("1  zebra")


def test_continuous_messages_are_written_as_numbers():
    said = dialogue_of(dialogue(), 0)
    numbers = said._replace(sender_bits=said.sender_bits * 0.5 - 0.25, sender_probs=said.sender_bits * 0.5 - 0.25)
    line = transcript(numbers, LABELS, 2, "c0ffee", as_letters=True).splitlines()[1]
    assert line == "   1  S -0.25 -0.25 -0.25 -0.25 +0.25 +0.25    1.50"


def test_scores_that_are_not_finite_are_shown_as_nan():
    said = dialogue_of(dialogue(), 0)
    text = transcript(said._replace(scores=said.scores * torch.nan), LABELS, 2, "c0ffee")
    assert "nan" in text.splitlines()[-1]


def test_bars_have_eight_heights():
    assert sparkline([0, 0.12, 0.13, 0.49, 0.5, 0.87, 0.88, 1]) == "▁▁▂▄▅▇██"
    assert sparkline(np.arange(8) / 8) == BARS
    assert sparkline([float("nan"), -0.5, 7]) == "?▁█"
    assert sparkline([]) == ""


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("00000", "A"),
        ("00001", "B"),
        ("10000", "Q"),
        ("11001", "Z"),
        ("11010", "["),
        ("11011", "\\"),
        ("11100", "]"),
        ("11101", "^"),
        ("11110", "_"),
        ("11111", "`"),
        ("0000111111", "B `"),
        ("000011", "B B"),
        ("00001011", "B D"),
        ("1" * 32, "` ` ` ` ` ` D"),
    ],
)
def test_letters_of_known_messages(bits, text):
    assert letters([int(bit) for bit in bits]) == text
    assert bits_of(text, len(bits)) == [int(bit) for bit in bits]


@given(BITS)
def test_letters_can_be_read_back(bits):
    assert bits_of(letters(np.array(bits, np.float32)), len(bits)) == bits


@pytest.mark.parametrize(("text", "count"), [("B", 6), ("B B B", 6), ("B C", 6), ("b", 5), ("B  é", 10), ("", 1)])
def test_letters_of_no_message_are_an_error(text, count):
    with pytest.raises(ValueError, match="is not a message of"):
        bits_of(text, count)


def test_only_bits_have_letters():
    with pytest.raises(ValueError, match="bits"):
        letters([0.5, 1])
