"""Perturbations of messages."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from parley.core.errors import ParleyError
from parley.game.channel import (
    chosen_bits,
    configured_perturbations,
    corrupt,
    flip,
    mute,
    perturb,
    replace,
    shuffle,
)
from parley.game.settings import GameSettings


@pytest.mark.parametrize(
    ("region", "bits"),
    [("0:3,5", [0, 1, 2, 5]), ("0", [0]), ("7", [7]), ("6:8", [6, 7]), (" 1 , 3:5 ", [1, 3, 4]), ("2,2:4", [2, 3])],
)
def test_regions_name_bits(region, bits):
    assert chosen_bits(region, 8).nonzero()[:, 0].tolist() == bits


@pytest.mark.parametrize(
    "region", ["8", "0:9", "3:3", "4:2", "", "1,", "-1", "a", "1:b", ":3", "2:", "1;2", "1.5", "0:2:4"]
)
def test_an_invalid_region_is_an_error(region):
    with pytest.raises(ParleyError, match=r"game\.corrupt_bits: .* is not valid for messages of 8 bits; write"):
        chosen_bits(region, 8)


@given(st.sets(st.integers(0, 15)))
def test_every_set_of_bits_can_be_named(bits):
    region = ",".join(map(str, sorted(bits)))
    if bits:
        assert set(chosen_bits(region, 16).nonzero()[:, 0].tolist()) == bits


def test_bits_flip_where_the_noise_is_below_the_probability():
    message = torch.tensor([[[0.0, 1.0, 0.0, 1.0]]])
    noise = torch.tensor([[[0.1, 0.29, 0.3, 0.9]]])
    assert flip(0.3, message, noise).tolist() == [[[1, 0, 0, 1]]]
    with pytest.raises(ParleyError, match=r"set Draws\.flips"):
        flip(0.3, message, None)


def test_a_flip_turns_the_sign_of_the_gradient():
    message = torch.tensor([0.0, 1.0, 1.0], requires_grad=True)
    corrupt(torch.tensor([1.0, 0.0, 1.0]), message, None).sum().backward()
    assert message.grad.tolist() == [-1, 1, -1]


def test_corrupt_mute_and_shuffle():
    message = torch.tensor([[[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]])
    assert corrupt(torch.tensor([1.0, 0.0]), message, None).tolist() == [[[0, 1], [1, 1], [1, 0]]]
    assert mute(message, None).sum() == 0
    assert shuffle(message, None).tolist() == [[[0, 0], [1, 1], [0, 1]]]


def test_a_message_is_replaced_for_every_seed():
    given = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    assert replace(given, torch.zeros(2, 3, 2), None).tolist() == [given.tolist()] * 2


def kinds(training, **options):
    return [
        [getattr(one, "func", one) for one in direction]
        for direction in configured_perturbations(GameSettings(message_bits=8, **options), training)
    ]


def test_settings_decide_which_perturbations_apply():
    assert kinds(True) == kinds(False) == [[], []]
    assert kinds(True, flip_sender=0.1) == [[flip], []]
    assert kinds(True, flip_receiver=0.1) == [[], [flip]]
    assert kinds(False, flip_sender=0.1, flip_receiver=0.1) == [[], []]
    assert kinds(False, flip_sender=0.1, flip_receiver=0.1, flip_in_evaluation=True) == [[flip], [flip]]
    for training in (True, False):
        assert kinds(training, ignore_sender=True) == [[mute], []]
        assert kinds(training, ignore_receiver=True) == [[], [mute]]
    assert kinds(True, corrupt_bits="0:2", shuffle="both") == [[], []]
    assert kinds(False, corrupt_bits="0:2") == [[corrupt], []]
    assert kinds(False, shuffle="both") == [[shuffle], [shuffle]]
    assert kinds(False, shuffle="sender") == [[shuffle], []]
    assert kinds(False, shuffle="receiver") == [[], [shuffle]]


def test_perturbations_apply_in_order():
    message = torch.tensor([[[1.0], [0.0]]])
    assert perturb(message, [shuffle, partial(corrupt, torch.ones(1))], None).tolist() == [[[1], [0]]]
    assert perturb(message, [], None) is message
