"""The four networks of a run, made and initialised together."""

from typing import NamedTuple

import torch
from torch import nn

from parley.game.baseline import Baseline
from parley.game.draws import generator
from parley.game.receiver import Receiver
from parley.game.sender import Sender
from parley.game.settings import GameSettings


class Agents(NamedTuple):
    """The Sender, the Receiver and what each expects to earn."""

    sender: Sender
    receiver: Receiver
    sender_baseline: Baseline
    receiver_baseline: Baseline

    def train(self, mode: bool = True) -> "Agents":
        """Set all four to training or to evaluation."""
        for network in self:
            network.train(mode)
        return self


def make_agents(
    settings: GameSettings, feature_size: int, word_size: int, seed: int, context_size: int = 1000
) -> Agents:
    """Make the four networks, initialised by the seed alone.

    Parameters
    ----------
    settings
        The game.
    feature_size
        Channels C of the image's features.
    word_size
        Width E of a word vector.
    seed
        The run's seed.
    context_size
        Width of the context vector; used with visual attention only.
    """
    bits = settings.message_bits
    agents = Agents(
        Sender(feature_size, settings, context_size),
        Receiver(word_size, settings),
        Baseline(settings.sender_hidden + bits, settings.baseline_hidden),
        Baseline(settings.receiver_hidden + bits, settings.baseline_hidden),
    )
    for name, network in zip(Agents._fields, agents, strict=True):
        initialise(network, generator(seed, f"init {name}"))
    return agents


def initialise(network: nn.Module, source: torch.Generator) -> None:
    """Draw matrices by Xavier's normal rule, vectors as zero, and the Sender's code bias from N(0, 1)."""
    for name, parameter in network.named_parameters():
        if name == "code_bias":
            nn.init.normal_(parameter, generator=source)
        elif parameter.dim() > 1:
            nn.init.xavier_normal_(parameter, generator=source)
        else:
            nn.init.zeros_(parameter)
