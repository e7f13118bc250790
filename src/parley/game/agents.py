"""The four networks of each run, batched over S seeds: Sender, Receiver and one baseline for each of them.

A baseline predicts the reward, and its prediction is subtracted from the reward to reduce the variance of REINFORCE.
`Baseline.predict` predicts the reward in each turn (one exchange of one dialogue), and `Baseline.update` updates the
baseline from the rewards of a batch. Training changes only parameters and buffers, which checkpoints store.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from parley.core.errors import ParleyError
from parley.game.base import BaseReceiver, BaseSender
from parley.game.channel import make_channel
from parley.game.layers import Linear, initialise, linear
from parley.game.own_agents import OwnReceivers, OwnSenders
from parley.game.receiver import Receiver
from parley.game.sender import Sender
from parley.game.settings import GameSettings, chosen_options
from parley.game.turns import PackedIndex
from parley.plugins.registry import Option, Registry


class BaselineInput(NamedTuple):
    """Input of a learned baseline, which the agent also observes. No gradient flows back through it."""

    per_turn: Tensor
    """``[S, N, width]``: one vector per turn."""
    per_dialogue: Tensor | None = None
    """``[S, B, width]``: one vector per dialogue, the same in all its turns; None if all input is in `per_turn`."""


class BaselineSetup(NamedTuple):
    """Arguments from which a baseline is constructed."""

    game: GameSettings
    seeds: Sequence[int]
    """Seeds of the S runs."""
    purpose: str
    """``sender_baseline`` or ``receiver_baseline``."""
    dialogue_size: int
    """Width of `BaselineInput.per_dialogue`; 0 if None."""
    turn_size: int
    """Width of `BaselineInput.per_turn`."""
    options: Mapping[str, Option]
    """Options of a baseline that a plug-in registers."""


class Baseline(nn.Module, ABC):
    """Base class of baselines, which predict the reward.

    Parameters
    ----------
    setup
        Arguments of a baseline that a plug-in registers.
    """

    def __init__(self, setup: BaselineSetup | None = None) -> None:
        super().__init__()
        self.options = {} if setup is None else setup.options

    @abstractmethod
    def predict(self, inputs: BaselineInput, reward: Tensor, packed: PackedIndex) -> Tensor:
        """Return the predicted reward of each turn, ``[S, N]``.

        Parameters
        ----------
        inputs
            Input of a learned baseline.
        reward
            ``[S, N]``: the reward of each turn's dialogue.
        packed
            Exchange and dialogue of each turn.
        """

    def update(self, reward: Tensor, packed: PackedIndex) -> None:
        """Update the baseline from the rewards of a batch. Learned baselines and those without state do nothing."""

    learned = False
    """Whether the baseline is trained by gradient descent on the squared error of its prediction."""


class Learned(Baseline):
    """Baseline that is a network with one hidden layer, as in the original implementation (Evtimova et al., 2018).

    Parameters
    ----------
    dialogue_size, turn_size
        Widths of `BaselineInput.per_dialogue` (0 if None) and `per_turn`, concatenated in this order.
    hidden_size
        Width of the hidden layer.
    seeds, purpose, rule
        Seeds of the random initial weights, a name that keeps them independent of other random numbers, and how they
        are drawn (see `initialise`).
    """

    learned = True

    def __init__(
        self,
        dialogue_size: int,
        turn_size: int,
        hidden_size: int,
        seeds: Sequence[int],
        purpose: str,
        rule: str = "xavier",
    ) -> None:
        super().__init__()
        self.first = Linear(len(seeds), dialogue_size + turn_size, hidden_size)
        self.last = Linear(len(seeds), hidden_size, 1)
        initialise(self, seeds, purpose, rule)

    def predict(self, inputs: BaselineInput, reward: Tensor, packed: PackedIndex) -> Tensor:
        """Return the predicted reward of each turn, the output of the network."""
        per_dialogue = None if inputs.per_dialogue is None else inputs.per_dialogue.detach()
        weights = (self.first.weight, self.first.bias, self.last.weight, self.last.bias)
        predicted: Tensor = _LearnedPrediction.apply(inputs.per_turn.detach(), per_dialogue, *weights, packed)
        return predicted


class _LearnedPrediction(torch.autograd.Function):
    """Autograd function of a learned baseline, w·relu(V·[per_dialogue, per_turn] + b) + c, without gradient of inputs.

    `per_dialogue` is projected once per dialogue instead of once per turn. The hidden layer is the largest tensor of a
    training step without attention, so both passes overwrite it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        per_turn: Tensor,
        per_dialogue: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        last_weight: Tensor,
        last_bias: Tensor,
        packed: PackedIndex,
    ) -> Tensor:
        if per_dialogue is None:
            hidden = linear(per_turn, weight, bias)
        else:
            width = per_dialogue.shape[-1]
            hidden = linear(per_turn, weight[..., width:])
            packed.add_per_dialogue_(hidden, linear(per_dialogue, weight[..., :width], bias))
        ctx.save_for_backward(per_turn, per_dialogue, hidden.relu_(), last_weight)
        ctx.packed = packed
        return linear(hidden, last_weight, last_bias)[..., 0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (per_turn, per_dialogue, hidden, last_weight), (grad,) = ctx.saved_tensors, grads
        grad_last = torch.bmm(grad[:, None], hidden)
        # The other factor of the gradient of the hidden layer, the last layer's weight, multiplies the sums over turns.
        slope = hidden.sign_().mul_(grad[..., None])
        grad_weight, grad_bias = torch.bmm(slope.mT, per_turn), slope.sum(1)
        if per_dialogue is not None:
            by_dialogue = ctx.packed.sum_per_dialogue(slope)
            grad_weight = torch.cat([torch.bmm(by_dialogue.mT, per_dialogue), grad_weight], -1)
        grad_weight.mul_(last_weight.mT)
        return None, None, grad_weight, grad_bias * last_weight[:, 0], grad_last, grad.sum(1, keepdim=True), None


class RunningMean(Baseline):
    """Baseline that predicts the mean reward over all turns of all earlier batches."""

    def __init__(self, seeds: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(seeds))
        self.register_buffer("count", torch.zeros(seeds))
        self.mean: Tensor
        self.count: Tensor

    def predict(self, inputs: BaselineInput, reward: Tensor, packed: PackedIndex) -> Tensor:
        """Return the mean reward over all turns of the batches before this one."""
        return self.mean.clone()[:, None].expand_as(reward)

    def update(self, reward: Tensor, packed: PackedIndex) -> None:
        """Update the running mean of all rewards with those of this batch."""
        total, turns = (reward * packed.mask).sum(1), packed.mask.sum(1)
        self.count += turns
        self.mean += (total - turns * self.mean) / self.count


class LeaveOneOut(Baseline):
    """Baseline that predicts the mean reward of the batch's other dialogues that are active in the same exchange.

    It has no state and does not bias the gradient. If no other dialogue is active, the prediction is 0.
    """

    def predict(self, inputs: BaselineInput, reward: Tensor, packed: PackedIndex) -> Tensor:
        """Return, for each turn, the mean reward of the other dialogues that are active in the same exchange."""
        exchanges = packed.one_hot_exchanges(reward)
        total, turns = (reward * packed.mask) @ exchanges, packed.mask @ exchanges
        others = (turns @ exchanges.mT - packed.mask).clamp(min=1)
        return (total @ exchanges.mT - reward * packed.mask) / others


class ZeroBaseline(Baseline):
    """Baseline that always predicts 0, which amounts to REINFORCE without a baseline."""

    def predict(self, inputs: BaselineInput, reward: Tensor, packed: PackedIndex) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(reward)


class Agents(NamedTuple):
    """The four networks of S runs: the Sender, the Receiver and their baselines."""

    sender: Sender | OwnSenders
    receiver: Receiver | OwnReceivers
    sender_baseline: Baseline
    receiver_baseline: Baseline

    @property
    def are_own(self) -> bool:
        """Whether the Sender or the Receiver is not Parley's but one's own."""
        return isinstance(self.sender, OwnSenders) or isinstance(self.receiver, OwnReceivers)

    @property
    def example_parameter(self) -> Tensor:
        """A parameter ``[S, ...]``, with the device and the dtype of all."""
        return next(parameter for network in self for parameter in network.parameters())

    def to(self, target: torch.device | torch.dtype | str) -> "Agents":
        """Move the four networks to a device, or convert them to a dtype."""
        for network in self:
            network.to(target)
        return self


def make_agents(
    settings: GameSettings, feature_size: int, word_size: int, seeds: Sequence[int], context_size: int = 1000
) -> Agents:
    """Construct the four networks. The initial weights for a seed do not depend on which other seeds are given.

    Parameters
    ----------
    settings
        Settings of the game.
    feature_size
        Number of channels (C) of the image features.
    word_size
        Width of a word vector (E).
    seeds
        Seeds of the S runs.
    context_size
        Width of the context vector (the image classifier's logits); ignored without visual attention.
    """
    flips = settings.flip_sender or settings.flip_receiver or settings.corrupt_bits
    if flips and not make_channel(settings).discrete:
        raise ParleyError(f"game.channel: {settings.channel} has no bits, which the game's settings flip.")
    sender = make_sender(feature_size, settings, context_size, seeds)
    receiver = make_receiver(word_size, settings, seeds)
    # The baseline gets a pooled image representation once per dialogue, and an attended one once per turn.
    widths = (sender.view_size, settings.message_bits)
    sizes = widths if sender.is_static else (0, sum(widths))
    return Agents(
        sender,
        receiver,
        make_baseline(settings, sizes, seeds, "sender_baseline"),
        make_baseline(settings, (0, settings.message_bits + receiver.hidden_size), seeds, "receiver_baseline"),
    )


SENDERS: Registry[type[Sender] | type[BaseSender]] = Registry("sender", "game.sender", {"original": Sender})
RECEIVERS: Registry[type[Receiver] | type[BaseReceiver]] = Registry("receiver", "game.receiver", {"original": Receiver})


def make_sender(
    feature_size: int, settings: GameSettings, context_size: int, seeds: Sequence[int]
) -> Sender | OwnSenders:
    """Return the Senders of S seeds that the settings name."""
    kind, options = SENDERS[settings.sender], chosen_options(SENDERS, settings.sender, settings)
    if issubclass(kind, BaseSender):
        return OwnSenders(lambda: kind(settings, feature_size, context_size, options), settings, seeds)
    return kind(feature_size, settings, context_size, seeds)


def make_receiver(word_size: int, settings: GameSettings, seeds: Sequence[int]) -> Receiver | OwnReceivers:
    """Return the Receivers of S seeds that the settings name."""
    kind, options = RECEIVERS[settings.receiver], chosen_options(RECEIVERS, settings.receiver, settings)
    if issubclass(kind, BaseReceiver):
        return OwnReceivers(lambda: kind(settings, word_size, options), settings, seeds)
    return kind(word_size, settings, seeds)


def _learned(setup: BaselineSetup) -> Baseline:
    game = setup.game
    sizes = setup.dialogue_size, setup.turn_size
    return Learned(*sizes, game.baseline_hidden, setup.seeds, setup.purpose, game.baseline_init)


BASELINES: Registry[Callable[[BaselineSetup], Baseline]] = Registry(
    "baseline",
    "game.baseline",
    {
        "learned": _learned,
        "running_mean": lambda setup: RunningMean(len(setup.seeds)),
        "leave_one_out": lambda setup: LeaveOneOut(),
        "none": lambda setup: ZeroBaseline(),
    },
)
"""Functions that construct baselines, by the baselines' names. A plug-in registers a subclass of `Baseline`."""


def make_baseline(settings: GameSettings, sizes: tuple[int, int], seeds: Sequence[int], purpose: str) -> Baseline:
    """Return the baseline named in the settings; `sizes` are the widths of `per_dialogue` and `per_turn`."""
    if settings.baseline_init not in ("xavier", "original"):
        raise ParleyError(f"game.baseline_init: {settings.baseline_init!r} is not one of xavier, original.")
    options = chosen_options(BASELINES, settings.baseline, settings)
    return BASELINES[settings.baseline](BaselineSetup(settings, seeds, purpose, *sizes, options))


@torch.no_grad()
def copy_seed(source: nn.Module, source_index: int, target: nn.Module, target_index: int) -> None:
    """Copy the parameters and buffers of seed index `source_index` in `source` to index `target_index` in `target`."""
    into = target.state_dict()
    for name, values in source.state_dict().items():
        into[name][target_index] = values[source_index]
