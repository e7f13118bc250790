"""The four networks of a run, or of S runs side by side, made and initialised together."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from parley.core.errors import ParleyError
from parley.game.baselines import Baseline, Learned, LeaveOneOut, Nothing, RunningMean
from parley.game.receiver import Receiver
from parley.game.sender import Sender
from parley.game.settings import GameSettings


class Agents(NamedTuple):
    """The Sender, the Receiver and what each expects to earn."""

    sender: Sender
    receiver: Receiver
    sender_baseline: Baseline
    receiver_baseline: Baseline

    def to(self, target: torch.device | torch.dtype | str) -> "Agents":
        """Move all four to a device or a precision."""
        for network in self:
            network.to(target)
        return self


def make_agents(
    settings: GameSettings, feature_size: int, word_size: int, seeds: Sequence[int], context_size: int = 1000
) -> Agents:
    """Make the four networks, each seed's initialised by that seed alone.

    Parameters
    ----------
    settings
        The game.
    feature_size
        Channels C of the image's features.
    word_size
        Width E of a word vector.
    seeds
        The runs' seeds (S).
    context_size
        Width of the context vector; used with visual attention only.
    """
    sender = Sender(feature_size, settings, context_size, seeds)
    # A steady view is the same at every turn; one that attends is not.
    seen = (settings.sender_hidden, settings.message_bits)
    sizes = seen if sender.eye.steady else (0, sum(seen))
    return Agents(
        sender,
        Receiver(word_size, settings, seeds),
        make_baseline(settings, sizes, seeds, "sender_baseline"),
        make_baseline(settings, (0, settings.message_bits + settings.receiver_hidden), seeds, "receiver_baseline"),
    )


def make_baseline(settings: GameSettings, sizes: tuple[int, int], seeds: Sequence[int], purpose: str) -> Baseline:
    """Return the baseline of the settings, for knowledge of the given widths (dialogue's, turn's)."""
    if settings.baseline == "learned":
        return Learned(*sizes, settings.baseline_hidden, seeds, purpose)
    others: dict[str, Baseline] = {
        "running_mean": RunningMean(len(seeds)),
        "leave_one_out": LeaveOneOut(),
        "none": Nothing(),
    }
    if settings.baseline not in others:
        raise ParleyError(f"game.baseline: {settings.baseline!r} is not one of learned, {', '.join(others)}.")
    return others[settings.baseline]


def agents_of_seed(agents: Agents, place: int, fresh: Agents) -> Agents:
    """Copy one of S seeds into agents made for one, and return those.

    Parameters
    ----------
    agents
        Of S seeds.
    place
        Which of them.
    fresh
        Agents of one seed and the same settings; their weights are overwritten.
    """
    for many, one in zip(agents, fresh, strict=True):
        copy_seed(many, place, one, 0)
    return fresh


@torch.no_grad()
def copy_seed(source: nn.Module, place: int, target: nn.Module, target_place: int) -> None:
    """Copy the parameters and buffers of one seed's place in a network to a place in another."""
    into = target.state_dict()
    for name, values in source.state_dict().items():
        into[name][target_place] = values[place]
