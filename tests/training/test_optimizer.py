"""The flat optimiser against torch's own, network by network and seed by seed."""

import math
from pathlib import Path

import pytest
import torch

from parley.config.schema import read_schema
from parley.core.errors import ParleyError
from parley.game.layers import Linear
from parley.game.settings import TrainingSettings
from parley.training.optimizer import UPDATE_RULES, Optimiser, make_update_rule

SEEDS, STEPS, CLIP = 3, 6, 40.0
KINDS = {"RMSprop": torch.optim.RMSprop, "Adam": torch.optim.Adam, "SGD": torch.optim.SGD}


class Pair(torch.nn.Module):
    """A network of two layers, for S seeds."""

    def __init__(self, purpose):
        super().__init__()
        self.one, self.two = Linear(SEEDS, 4, 5), Linear(SEEDS, 5, 2)
        draw = torch.Generator().manual_seed(purpose)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)

    def forward(self, inputs):
        return self.two(self.one(inputs).tanh())


def alone(networks, seed):
    """Torch's own layers with the weights of one seed."""
    made = []
    for network in networks:
        layers = [torch.nn.Linear(4, 5).double(), torch.nn.Linear(5, 2).double()]
        for layer, own in zip(layers, (network.one, network.two), strict=True):
            layer.weight.data, layer.bias.data = own.weight[seed].detach().clone(), own.bias[seed].detach().clone()
        made.append(torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1]))
    return made


def take_step(optimiser, loss, step=1):
    gradient = optimiser.backward(loss)
    optimiser.step(gradient, torch.tensor(optimiser.step_coefficients(step), dtype=torch.float64))


def inputs_of(step, seed):
    draw = torch.Generator().manual_seed(100 * step + seed)
    # Some seeds' gradients are clipped, others are not.
    return (0.05, 1.0, 20.0)[seed] * torch.randn(7, 4, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_seed_of_every_network_steps_as_alone(kind, schedule):
    training = TrainingSettings(
        optimizer=kind, learning_rate=0.01, gradient_clip=CLIP, steps=STEPS, learning_rate_schedule=schedule
    )
    networks = [Pair(1), Pair(2)]
    references = [alone(networks, seed) for seed in range(SEEDS)]
    optimiser = Optimiser({"a": networks[0], "nothing": torch.nn.Module(), "b": networks[1]}, training)
    inner = [[KINDS[kind](one.parameters(), lr=0.01) for one in own] for own in references]
    clipped = set()
    for step in range(1, STEPS + 1):
        batch = torch.stack([inputs_of(step, seed) for seed in range(SEEDS)])
        take_step(optimiser, sum(network(batch).square().sum() for network in networks), step)
        for seed in range(SEEDS):
            for network, its in zip(references[seed], inner[seed], strict=True):
                its.zero_grad()
                network(inputs_of(step, seed)).square().sum().backward()
                norm = torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
                clipped.add(bool(norm > CLIP))
                if schedule == "cosine":
                    its.param_groups[0]["lr"] = 0.01 * (1 + math.cos(math.pi * (step - 1) / STEPS)) / 2
                its.step()
    assert clipped == {True, False}
    for seed in range(SEEDS):
        for network, reference in zip(networks, references[seed], strict=True):
            for mine, its in zip(network.parameters(), reference.parameters(), strict=True):
                torch.testing.assert_close(mine[seed], its, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", list(KINDS))
def test_states_of_single_seeds_can_be_loaded_together(kind):
    training = TrainingSettings(optimizer=kind, learning_rate=0.01)

    def make():
        network = Pair(1)
        return network, Optimiser({"a": network}, training)

    def step(network, optimiser, number):
        batch = torch.stack([inputs_of(number, seed) for seed in range(SEEDS)])
        take_step(optimiser, network(batch).square().sum(), number)

    first, second = make(), make()
    for number in (1, 2):
        step(*first, number)
    # The states must be copies, because the first optimiser continues.
    states = [first[1].state_of(seed) for seed in range(SEEDS)]
    weights = first[1].flat.detach().clone()
    step(*first, 3)
    step(*second, 1)
    second[1].flat.data.copy_(weights)
    second[1].load(states)
    step(*second, 3)
    assert torch.equal(first[1].flat, second[1].flat)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", list(KINDS))
def test_weights_and_state_change_as_torchs_do_to_the_bit(kind, precision):
    """On a CPU; the learning rate changes at each step, as torch reads it from a Python float."""
    draw = torch.Generator().manual_seed(3)
    mine = torch.randn(2, 1003, generator=draw, dtype=precision)
    theirs = mine.clone()
    update, reference = make_update_rule(kind, mine), KINDS[kind]([theirs], lr=1.0)
    addresses = {name: value.data_ptr() for name, value in update.state.items()}
    for step in range(1, 8):
        rate, theirs.grad = 0.0123 / step, torch.randn(2, 1003, generator=draw, dtype=precision)
        update.apply(mine, theirs.grad, torch.tensor(update.step_coefficients(rate), dtype=precision))
        reference.param_groups[0]["lr"] = rate
        reference.step()
        assert torch.equal(mine, theirs)
    state = reference.state[theirs]
    assert list(update.state) == list(state)
    for name, value in update.state.items():
        assert value.dtype == state[name].dtype
        assert torch.equal(value, state[name])
        assert value.data_ptr() == addresses[name]


def test_an_unknown_optimizer_is_an_error():
    with pytest.raises(ParleyError, match="'Adagrad' is not one of RMSprop, Adam, SGD"):
        make_update_rule("Adagrad", torch.zeros(1, 1))


def test_the_schema_lists_the_update_rules():
    schema = read_schema(Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml")
    offered = schema["properties"]["training"]["properties"]["optimizer"]["enum"]
    assert sorted(offered) == sorted(UPDATE_RULES)


def test_a_parameter_without_a_gradient_does_not_change():
    networks = [Pair(1), Pair(2)]
    before = [parameter.detach().clone() for parameter in networks[1].parameters()]
    optimiser = Optimiser({"a": networks[0], "b": networks[1]}, TrainingSettings(optimizer="SGD"))
    take_step(optimiser, networks[0](inputs_of(1, 1).expand(SEEDS, -1, -1)).sum())
    for parameter, old in zip(networks[1].parameters(), before, strict=True):
        assert torch.equal(parameter, old)


def test_an_unknown_schedule_is_an_error():
    with pytest.raises(ParleyError, match="'steep' is not one of constant, cosine"):
        Optimiser({"a": Pair(1)}, TrainingSettings(learning_rate_schedule="steep"))
