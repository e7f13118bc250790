"""The four networks of a run, or of S runs side by side, one per seed: Sender, Receiver and their baselines.

A baseline predicts the reward, and its prediction is subtracted from the reward to reduce the variance of REINFORCE.
Each implements `predict`, the reward of each turn, and `update`, from the rewards of a batch. All state is a parameter
or a buffer, so that checkpoints contain it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from parley.core.errors import ParleyError
from parley.game.layers import Linear, initialise, linear
from parley.game.receiver import Receiver
from parley.game.sender import Sender
from parley.game.settings import GameSettings
from parley.game.turns import PackedIndex


class BaselineInput(NamedTuple):
    """What an agent knows in each turn before it sends its message; gets no gradient."""

    per_turn: Tensor
    """``[S, N, width]``: values that differ from turn to turn."""
    per_dialogue: Tensor | None = None
    """``[S, B, width]``: values that are the same in all turns of a dialogue."""


class Baseline(nn.Module, ABC):
    """A prediction of the reward."""

    @abstractmethod
    def predict(self, inputs: BaselineInput, reward: Tensor, packed: PackedIndex) -> Tensor:
        """Return the predicted reward of each turn, ``[S, N]``.

        Parameters
        ----------
        inputs
            What the agent knows.
        reward
            ``[S, N]``: the reward of each turn's dialogue.
        packed
            Positions of the turns.
        """

    def update(self, reward: Tensor, packed: PackedIndex) -> None:
        """Update the state from the rewards of a batch; for baselines not trained by gradient."""

    learned = False
    """Whether the squared error of the prediction is minimised by gradient."""


class Learned(Baseline):
    """A network of one hidden layer, as in the 2017 code.

    Parameters
    ----------
    dialogue_size, turn_size
        Widths of `BaselineInput.per_dialogue` and `BaselineInput.per_turn`; the first layer takes them in this order.
    hidden_size
        Width of the hidden layer.
    seeds, purpose
        Determine the initial weights.
    """

    learned = True

    def __init__(
        self, dialogue_size: int, turn_size: int, hidden_size: int, seeds: Sequence[int], purpose: str
    ) -> None:
        super().__init__()
        self.dialogue_size = dialogue_size
        self.first = Linear(len(seeds), dialogue_size + turn_size, hidden_size)
        self.last = Linear(len(seeds), hidden_size, 1)
        initialise(self, seeds, purpose)

    def predict(self, inputs: BaselineInput, reward: Tensor, packed: PackedIndex) -> Tensor:
        """Return the network's output."""
        hidden = linear(inputs.per_turn.detach(), self.first.weight[..., self.dialogue_size :], self.first.bias)
        if inputs.per_dialogue is not None:
            # Computed once per dialogue and added to its turns; equals the layer applied to both concatenated.
            from_dialogue = linear(inputs.per_dialogue.detach(), self.first.weight[..., : self.dialogue_size])
            hidden = packed.add_per_dialogue(hidden, from_dialogue)
        return self.last(hidden.relu())[..., 0]  # type: ignore[no-any-return]


class RunningMean(Baseline):
    """The mean reward over all turns of all earlier batches."""

    def __init__(self, seeds: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(seeds))
        self.register_buffer("count", torch.zeros(seeds))
        self.mean: Tensor
        self.count: Tensor

    def predict(self, inputs: BaselineInput, reward: Tensor, packed: PackedIndex) -> Tensor:
        """Return the mean before this batch."""
        return self.mean.clone()[:, None].expand_as(reward)

    def update(self, reward: Tensor, packed: PackedIndex) -> None:
        """Add the batch's turns to the mean."""
        total, turns = (reward * packed.mask).sum(1), packed.mask.sum(1)
        self.count += turns
        self.mean += (total - turns * self.mean) / self.count


class LeaveOneOut(Baseline):
    """The mean reward of the batch's other dialogues active in the same exchange: unbiased, without state.

    It is 0 for the only active dialogue.
    """

    def predict(self, inputs: BaselineInput, reward: Tensor, packed: PackedIndex) -> Tensor:
        """Return the mean of the other dialogues."""
        exchanges = packed.one_hot_exchanges(reward)
        total, turns = (reward * packed.mask) @ exchanges, packed.mask @ exchanges
        others = (turns @ exchanges.mT - packed.mask).clamp(min=1)
        return (total @ exchanges.mT - reward * packed.mask) / others


class ZeroBaseline(Baseline):
    """Predicts 0: plain REINFORCE."""

    def predict(self, inputs: BaselineInput, reward: Tensor, packed: PackedIndex) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(reward)


class Agents(NamedTuple):
    """The Sender, the Receiver and their baselines."""

    sender: Sender
    receiver: Receiver
    sender_baseline: Baseline
    receiver_baseline: Baseline

    def to(self, target: torch.device | torch.dtype | str) -> "Agents":
        """Move all four to a device or a dtype."""
        for network in self:
            network.to(target)
        return self


def make_agents(
    settings: GameSettings, feature_size: int, word_size: int, seeds: Sequence[int], context_size: int = 1000
) -> Agents:
    """Construct the four networks; each seed's initial weights depend on that seed alone.

    Parameters
    ----------
    settings
        The game.
    feature_size
        Channels C of the image's features.
    word_size
        Width E of a word vector.
    seeds
        Seeds of the S runs.
    context_size
        Width of the context vector; used with visual attention only.
    """
    sender = Sender(feature_size, settings, context_size, seeds)
    # A static view is stored once per dialogue, a view from attention once per turn.
    widths = (settings.sender_hidden, settings.message_bits)
    sizes = widths if sender.eye.is_static else (0, sum(widths))
    return Agents(
        sender,
        Receiver(word_size, settings, seeds),
        make_baseline(settings, sizes, seeds, "sender_baseline"),
        make_baseline(settings, (0, settings.message_bits + settings.receiver_hidden), seeds, "receiver_baseline"),
    )


def make_baseline(settings: GameSettings, sizes: tuple[int, int], seeds: Sequence[int], purpose: str) -> Baseline:
    """Return the settings' baseline, for inputs of the given widths (per dialogue, per turn)."""
    if settings.baseline == "learned":
        return Learned(*sizes, settings.baseline_hidden, seeds, purpose)
    others: dict[str, Baseline] = {
        "running_mean": RunningMean(len(seeds)),
        "leave_one_out": LeaveOneOut(),
        "none": ZeroBaseline(),
    }
    if settings.baseline not in others:
        raise ParleyError(f"game.baseline: {settings.baseline!r} is not one of learned, {', '.join(others)}.")
    return others[settings.baseline]


def agents_of_seed(agents: Agents, seed_index: int, fresh: Agents) -> Agents:
    """Copy the weights of one of S seeds into agents with a single seed, and return those.

    Parameters
    ----------
    agents
        Agents of S seeds.
    seed_index
        Index of the seed to copy.
    fresh
        Agents of one seed with the same settings; their weights are overwritten.
    """
    for many, one in zip(agents, fresh, strict=True):
        copy_seed(many, seed_index, one, 0)
    return fresh


@torch.no_grad()
def copy_seed(source: nn.Module, source_index: int, target: nn.Module, target_index: int) -> None:
    """Copy one seed's parameters and buffers from one network to another, by the seed's index in each."""
    into = target.state_dict()
    for name, values in source.state_dict().items():
        into[name][target_index] = values[source_index]
