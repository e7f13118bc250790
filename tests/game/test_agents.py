"""Agents: parameter counts of the 2017 code, and initial weights."""

import pytest
import torch

from parley.game.agents import make_agents
from parley.game.settings import GameSettings


def sizes(**options):
    agents = make_agents(GameSettings(**options), feature_size=512, word_size=100, seeds=[1])
    return [sum(parameter.numel() for parameter in network.parameters()) for network in agents]


# Counted from the 2017 code at d = 32, 512-d images, 100-d words.
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"preset": "Fixed"}, [148_032, 42_146, 145_001, 49_001]),
        ({"preset": "Adaptive"}, [148_032, 42_146, 145_001, 49_001]),
        ({"mix": "mou"}, [172_608, 42_146, 145_001, 49_001]),
        ({"preset": "AdaptiveAttention"}, [544_321, 42_146, 145_001, 49_001]),
        ({"preset": "FixedAttention", "mix": "mou"}, [568_897, 42_146, 145_001, 49_001]),
        ({"description_attention": True}, [148_032, 52_835, 145_001, 49_001]),
        ({"mix": "mou", "ignore_code": True}, [172_640, 42_146, 145_001, 49_001]),
        ({"ignore_code": True}, [148_032, 42_146, 145_001, 49_001]),
        ({"baseline": "running_mean"}, [148_032, 42_146, 0, 0]),
    ],
)
def test_parameter_counts_are_those_of_the_original(options, expected):
    assert sizes(**options) == expected


def test_initial_weights_depend_on_the_seed_alone():
    first = make_agents(GameSettings(), 512, 100, seeds=[3])
    torch.rand(17)
    again = make_agents(GameSettings(), 512, 100, seeds=[3])
    other = make_agents(GameSettings(), 512, 100, seeds=[4])
    for one, two, three in zip(first, again, other, strict=True):
        for a, b, c in zip(one.parameters(), two.parameters(), three.parameters(), strict=True):
            assert torch.equal(a, b)
            assert a.dim() < 3 or not torch.equal(a, c)


def test_a_seed_has_the_same_initial_weights_in_a_group_as_alone():
    together = make_agents(GameSettings(mix="mou", ignore_code=True), 512, 100, seeds=[7, 3])
    alone = make_agents(GameSettings(mix="mou", ignore_code=True), 512, 100, seeds=[3])
    for many, one in zip(together, alone, strict=True):
        for a, b in zip(many.parameters(), one.parameters(), strict=True):
            assert torch.equal(a[1], b[0])


def test_matrices_are_xavier_normal_and_biases_zero():
    receiver = make_agents(GameSettings(), 512, 100, seeds=[5]).receiver
    matrix = receiver.listen.weight_hh[0]
    rows, columns = matrix.shape
    expected = (2 / (rows + columns)) ** 0.5
    assert matrix.std().item() == pytest.approx(expected, rel=0.05)
    assert torch.count_nonzero(receiver.listen.bias_ih) == 0
