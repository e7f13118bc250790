"""The four networks of a run, or of S runs side by side, one per seed."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from parley.core.errors import ParleyError
from parley.game.baselines import Baseline, Learned, LeaveOneOut, RunningMean, ZeroBaseline
from parley.game.receiver import Receiver
from parley.game.sender import Sender
from parley.game.settings import GameSettings


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
