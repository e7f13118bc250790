"""Agents: parameter counts of the 2017 code, and initial weights."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from game.literal import initial_baseline, parameter_shapes
from game.literal_cases import PLAIN, SIZES

from parley.core.errors import ParleyError
from parley.game.agents import make_agents
from parley.game.rng import generator
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
        ({"preset": "AdaptiveAttention", "attention_context": False}, [288_065, 42_146, 145_001, 49_001]),
        ({"description_attention": True}, [148_032, 52_835, 145_001, 49_001]),
        ({"mix": "mou", "ignore_code": True}, [172_640, 42_146, 145_001, 49_001]),
        ({"ignore_code": True}, [148_032, 42_146, 145_001, 49_001]),
        ({"baseline_init": "original"}, [148_032, 42_146, 145_001, 49_001]),
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


def baselines_of(seeds, **options):
    agents = make_agents(GameSettings(**options), 512, 100, seeds)
    return {name: getattr(agents, name).state_dict() for name in ("sender_baseline", "receiver_baseline")}


def uniforms_drawn_by_torch(source, shapes):
    return [torch.rand(shape, generator=source).flatten() for shape in shapes.values()]


@pytest.mark.parametrize("preset", ["Fixed", "AdaptiveAttention"])
def test_original_baselines_start_as_those_of_the_literal_game(preset):
    sizes = SimpleNamespace(**{**SIZES, "sender_hidden": 256, "receiver_hidden": 64, "baseline_hidden": 500})
    options = SimpleNamespace(**{**PLAIN, "message_bits": 32, "preset": preset})
    shapes = parameter_shapes(options, sizes)
    for name, weights in baselines_of([3, 8], baseline_init="original", preset=preset).items():
        # torch's uniform numbers, in the order in which the network draws its own.
        drawn = torch.cat(uniforms_drawn_by_torch(generator(8, f"init {name}"), shapes[name]))
        expected = initial_baseline(drawn.double().tolist(), shapes[name])
        assert weights.keys() == expected.keys()
        for key, values in expected.items():
            np.testing.assert_allclose(weights[key][1].numpy(), values, atol=1e-7)


def test_original_baselines_start_as_torch_starts_linear_layers():
    for name, weights in baselines_of([5], baseline_init="original").items():
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(generator(5, f"init {name}").get_state())
            first = torch.nn.Linear(weights["first.weight"].shape[-1], 500)
            last = torch.nn.Linear(500, 1)
        for key, layer in (("first", first), ("last", last)):
            torch.testing.assert_close(weights[f"{key}.weight"][0], layer.weight.detach(), atol=1e-7, rtol=0)
            torch.testing.assert_close(weights[f"{key}.bias"][0], layer.bias.detach(), atol=1e-7, rtol=0)


def test_the_baselines_rule_does_not_change_the_agents_weights():
    ours, theirs = (make_agents(GameSettings(baseline_init=rule), 512, 100, [1]) for rule in ("xavier", "original"))
    for network in ("sender", "receiver"):
        for a, b in zip(getattr(ours, network).parameters(), getattr(theirs, network).parameters(), strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(ours.sender_baseline.first.weight, theirs.sender_baseline.first.weight)


def test_an_unknown_rule_is_an_error():
    with pytest.raises(ParleyError, match=r"game\.baseline_init: 'zero' is not one of xavier, original"):
        make_agents(GameSettings(baseline_init="zero"), 512, 100, [1])
