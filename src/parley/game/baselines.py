"""Baselines: what an agent expects to earn, subtracted from what it earned so that luck teaches less.

Each way is a small class of two verbs: `expect` what will be earned at each turn, and `update` from
what was earned. Whatever one remembers is a parameter or a buffer, so that a checkpoint keeps it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from parley.game.layers import Linear, initialise, linear
from parley.game.turns import Layout


class Knowledge(NamedTuple):
    """What an agent knows at each turn when it speaks; no gradient goes through it."""

    turns: Tensor
    """``[S, N, width]``: what differs from turn to turn."""
    dialogues: Tensor | None = None
    """``[S, B, width]``: what stays the same through a dialogue."""


class Baseline(nn.Module, ABC):
    """A way to expect a reward."""

    @abstractmethod
    def expect(self, known: Knowledge, reward: Tensor, layout: Layout) -> Tensor:
        """Return the expected reward of each turn, ``[S, N]``.

        Parameters
        ----------
        known
            What the agent knows.
        reward
            ``[S, N]``: what each turn's dialogue earned.
        layout
            Where the turns lie.
        """

    def update(self, reward: Tensor, layout: Layout) -> None:
        """Learn from what was earned, where no gradient teaches it."""

    learned = False
    """Whether the squared error of what is expected is to be minimised."""


class Learned(Baseline):
    """One hidden layer from what an agent knows to the reward it may expect, as in the 2017 code.

    Parameters
    ----------
    dialogue_size, turn_size
        Widths of the knowledge that stays the same through a dialogue, and of that which does not. The first
        layer sees them in this order.
    hidden_size
        Width of the hidden layer.
    seeds, purpose
        Decide the initial weights.
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

    def expect(self, known: Knowledge, reward: Tensor, layout: Layout) -> Tensor:
        """Return what the network says."""
        hidden = linear(known.turns.detach(), self.first.weight[..., self.dialogue_size :], self.first.bias)
        if known.dialogues is not None:
            # Applied once a dialogue and then added to its turns: the same sum as on both side by side.
            steady = linear(known.dialogues.detach(), self.first.weight[..., : self.dialogue_size])
            hidden = layout.plus_spread(hidden, steady)
        return self.last(hidden.relu())[..., 0]  # type: ignore[no-any-return]


class RunningMean(Baseline):
    """The mean of all that was earned so far; assumes that nothing but luck tells one dialogue from another."""

    def __init__(self, seeds: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(seeds))
        self.register_buffer("count", torch.zeros(seeds))
        self.mean: Tensor
        self.count: Tensor

    def expect(self, known: Knowledge, reward: Tensor, layout: Layout) -> Tensor:
        """Return the mean before this batch."""
        return self.mean.clone()[:, None].expand_as(reward)

    def update(self, reward: Tensor, layout: Layout) -> None:
        """Take the batch's turns into the mean."""
        earned, turns = (reward * layout.mask).sum(1), layout.mask.sum(1)
        self.count += turns
        self.mean += (earned - turns * self.mean) / self.count


class LeaveOneOut(Baseline):
    """The mean of what the batch's other dialogues still on at the same exchange earned; unbiased, and learns nothing.

    The one that is left alone expects nothing.
    """

    def expect(self, known: Knowledge, reward: Tensor, layout: Layout) -> Tensor:
        """Return the mean of the others."""
        exchanges = layout.exchanges(reward)
        earned, turns = (reward * layout.mask) @ exchanges, layout.mask @ exchanges
        others = (turns @ exchanges.mT - layout.mask).clamp(min=1)
        return (earned @ exchanges.mT - reward * layout.mask) / others


class Nothing(Baseline):
    """Expects nothing: plain REINFORCE."""

    def expect(self, known: Knowledge, reward: Tensor, layout: Layout) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(reward)
