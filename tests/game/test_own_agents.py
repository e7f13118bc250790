"""Agents of one's own: Parley's own agents, written as plain modules, give what Parley's own give."""

import itertools

import pytest
import torch
from game.plain_agents import PlainReceiver, PlainSender, parleys_name

from parley.core.errors import ParleyError
from parley.game import BaseReceiver, BaseSender, SenderOutput
from parley.game.agents import make_agents
from parley.game.settings import GameSettings
from parley.plugins import receiver, registry, sender

WHO = [{"sender": "plain"}, {"receiver": "plain"}, {"sender": "plain", "receiver": "plain"}]


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(registry, "PLUGINS", {})
    sender("plain")(PlainSender)
    receiver("plain")(PlainReceiver)


def copy_weights(source, target):
    """Give an agent of one's own the weights of Parley's own agent of the same kind."""
    values = source.state_dict()
    if target.state_dict().keys() != values.keys():
        assert {parleys_name(name) for name in target.state_dict()} == values.keys()
        values = {name: values[parleys_name(name)] for name in target.state_dict()}
    target.load_state_dict(values)


def pair(small_game, who, seeds=(1, 2), **options):
    """Two small games with the same weights, of Parley's own agents and of one's own."""
    ours = small_game(seeds=seeds, **options)
    theirs = small_game(seeds=seeds, **options, **who)
    for source, target in zip(ours.agents, theirs.agents, strict=True):
        copy_weights(source, target)
    return ours, theirs


def assert_equal_learning(ours, theirs):
    for field, one, other in zip(ours._fields, ours, theirs, strict=True):
        torch.testing.assert_close(other, one, atol=1e-12, rtol=1e-9, msg=lambda text, name=field: f"{name}: {text}")


def gradients(game):
    for network in game.agents:
        network.zero_grad()
    step = game.learn()
    step.losses.total.backward()
    return step.losses, {
        (agent, parleys_name(name)): torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for agent, network in game.agents._asdict().items()
        for name, parameter in network.named_parameters()
    }


def assert_alike(ours, theirs):
    for sampled in (True, False):
        assert_equal_learning(ours.dialogue(sampled), theirs.dialogue(sampled))
    (expected, wanted), (found, own) = gradients(ours), gradients(theirs)
    assert_equal_learning(expected, found)
    assert wanted.keys() == own.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(own[name], value, atol=1e-12, rtol=1e-8, msg=lambda text, at=name: f"{at}: {text}")
    assert any(value.abs().sum() > 0 for (agent, _), value in own.items() if agent == "sender")


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("preset", ["Fixed", "Adaptive", "AdaptiveAttention"])
def test_dialogues_losses_and_gradients_are_those_of_parleys_own_agents(small_game, who, preset):
    assert_alike(*pair(small_game, who, preset=preset))


@pytest.mark.parametrize(
    ("baseline", "of_state"),
    [*itertools.product(["learned", "running_mean", "leave_one_out", "none"], ["original"]), ("learned", "paper")],
)
def test_all_baselines_get_the_same(small_game, baseline, of_state):
    assert_alike(*pair(small_game, WHO[2], baseline=baseline, receiver_baseline=of_state))


@pytest.mark.parametrize(
    "channel", ["straight_through", "gumbel", "continuous", pytest.param("continuous_original", id="no gradient")]
)
@pytest.mark.parametrize("who", WHO)
def test_gradient_crosses_the_channels_that_parleys_own_agents_gradient_crosses(small_game, who, channel):
    ours, theirs = pair(small_game, who, channel=channel)
    if channel == "continuous_original":
        (expected, wanted), (found, own) = gradients(ours), gradients(theirs)
        assert_equal_learning(expected, found)
        for name, value in wanted.items():
            torch.testing.assert_close(own[name], value, atol=1e-12, rtol=1e-8)
    else:
        assert_alike(ours, theirs)


def test_flips_and_other_rewards(small_game):
    assert_alike(*pair(small_game, WHO[2], flip_sender=0.3, flip_receiver=0.2, reward="paper", exchange_cost=0.1))


def test_initial_weights_depend_on_the_seed_alone():
    game = GameSettings(sender="plain", receiver="plain")
    together, before = make_agents(game, 5, 4, [7, 3]), torch.get_rng_state()
    alone = make_agents(game, 5, 4, [3])
    assert torch.equal(torch.get_rng_state(), before)
    for many, one in zip(together, alone, strict=True):
        for name, value in one.state_dict().items():
            assert torch.equal(many.state_dict()[name][1:], value), name
    assert not torch.equal(together.sender.module.hear.weight[0], together.sender.module.hear.weight[1])


class Tied(BaseSender):
    """Has a shared weight, a number, a frozen weight and buffers."""

    def __init__(self, game, feature_size, context_size, options):
        super().__init__(game, feature_size, context_size, options)
        self.view_size = 1
        self.one = torch.nn.Linear(game.message_bits, game.message_bits)
        self.other = torch.nn.Linear(game.message_bits, game.message_bits)
        self.other.weight = self.one.weight
        self.scale = torch.nn.Parameter(torch.rand(()))
        self.fixed = torch.nn.Parameter(torch.rand(feature_size, game.message_bits), requires_grad=False)
        self.register_buffer("shift", torch.rand(()))
        self.batches = torch.nn.BatchNorm1d(game.message_bits)

    def respond(self, encoded, received, memory):
        logits = self.batches(self.other(self.one(encoded.features @ self.fixed * self.scale + self.shift)))
        return SenderOutput(logits, encoded.features[:, :1])


def test_shared_frozen_and_single_weights_and_buffers_are_stacked(small_game):
    sender("tied")(Tied)
    game = small_game(sender="tied", seeds=(4, 9))
    module = game.agents.sender.module
    assert module.one.weight is module.other.weight
    assert module.one.weight.shape == (2, 3, 3)
    assert module.scale.shape == module.shift.shape == module.batches.num_batches_tracked.shape == (2,)
    game.learn().losses.total.backward()
    assert module.one.weight.grad.abs().sum((1, 2)).min() > 0
    assert module.fixed.grad is None


class Wrong(BaseSender):
    def respond(self, encoded, received, memory):
        return SenderOutput(encoded.features, encoded.features)


class Short(BaseReceiver):
    def __init__(self, game, word_size, options):
        super().__init__(game, word_size, options)
        self.state_size = 2
        self.layer = torch.nn.Linear(1, 1)

    def respond(self, encoded, received, state):
        return state


def test_agents_that_return_something_else_are_errors_that_say_what_is_right(small_game):
    sender("wrong")(Wrong)
    receiver("short")(Short)
    with pytest.raises(ParleyError, match=r"Wrong: set self\.view_size in __init__ to a width; it is None"):
        small_game(sender="wrong")
    Wrong.view_size = 7
    with pytest.raises(ParleyError, match=r"Wrong\.respond: logits has the shape \(6, 7\), not \(6, 3\)"):
        small_game(sender="wrong").dialogue()
    with pytest.raises(ParleyError, match=r"Short\.respond returned Tensor; return a ReceiverOutput"):
        small_game(receiver="short").dialogue()
