"""Mean change of messages, as reported and as the 2017 code counts it."""

import numpy as np
import pytest
import torch

from parley.evaluation.legacy_eval import mean_change_original
from parley.interaction.per_example_metrics import PerExample, aggregate
from parley.metrics.exchanges import distances

# Three exchanges about two images, four bits: [T, N, d].
MESSAGES = np.array(
    [
        [[1, 1, 0, 0], [0, 0, 0, 0]],
        [[1, 0, 1, 0], [0, 0, 0, 1]],
        [[1, 0, 1, 0], [1, 1, 1, 1]],
    ],
    np.float32,
)
ALL = np.ones((3, 2))


def mean_change(messages, active):
    changes, made = torch.from_numpy(distances(messages)).T, torch.from_numpy(active).T
    rows = torch.ones(len(made))
    return aggregate(PerExample(rows, rows, rows, made, made, changes, changes), 1, 2)["hamming_sender"]


def test_the_first_is_measured_from_zeros():
    assert distances(MESSAGES).tolist() == [[2, 0], [2, 1], [0, 3]]


def test_mean_change_leaves_out_the_first_message_and_those_after_the_stop():
    assert mean_change(MESSAGES, ALL) == (2 + 0 + 1 + 3) / 4
    first_stops_after_two = np.array([[1, 1], [1, 1], [0, 1]])
    assert mean_change(MESSAGES, first_stops_after_two) == (2 + 1 + 3) / 3


def test_a_dialogue_of_one_exchange_has_no_change():
    assert mean_change(MESSAGES, np.array([[1, 1], [0, 0], [0, 0]])) is None


def test_the_2017_mean_counts_the_first_message_and_all_images_until_the_last_stop():
    first_stops_at_once = np.array([[1, 1], [0, 1], [0, 0]])
    assert mean_change_original(MESSAGES, first_stops_at_once, 2) == np.mean([[2, 0], [2, 1]])
    # A batch each: the first ends after one exchange, the second after two.
    assert mean_change_original(MESSAGES, first_stops_at_once, 1) == np.mean([2, (0 + 1) / 2])


def test_a_short_last_batch_counts_as_much_as_a_full_one():
    three = np.concatenate([MESSAGES, np.ones((3, 1, 4), np.float32)], 1)
    means = [np.mean(distances(MESSAGES)), np.mean([4, 0, 0])]
    assert mean_change_original(three, np.ones((3, 3)), 2) == pytest.approx(np.mean(means))


def test_constant_messages_of_zeros_never_change():
    silent = np.zeros((3, 2, 4), np.float32)
    assert mean_change(silent, ALL) == mean_change_original(silent, ALL, 2) == 0


def test_random_messages_change_half_their_bits():
    messages = np.random.default_rng(0).integers(0, 2, (6, 500, 32)).astype(np.float32)
    assert mean_change(messages, np.ones((6, 500))) == pytest.approx(16, abs=0.2)


def test_continuous_messages_are_measured_by_absolute_differences():
    messages = np.array([[[0.5, -1.0]], [[0.25, 1.0]]], np.float32)
    assert mean_change(messages, np.ones((2, 1))) == 2.25
