"""A batch talked about, and what is to be learned from it."""

from typing import NamedTuple

import torch
from torch import Tensor

from parley.game.agents import Agents
from parley.game.channel import make_channel
from parley.game.losses import Entropies, Losses, losses
from parley.game.replay import Replay, gathered, replay
from parley.game.rollout import converse, layout_of, prepare
from parley.game.settings import GameSettings
from parley.game.turns import Layout
from parley.game.types import Descriptions, Draws, Images


class Talked(NamedTuple):
    """A batch that was talked about."""

    losses: Losses
    replayed: Replay
    layout: Layout


def talk(
    agents: Agents,
    images: Images,
    descriptions: Descriptions,
    targets: Tensor,
    draws: Draws,
    game: GameSettings,
    entropies: Entropies,
    ended_leave: bool | None = None,
) -> Talked:
    """Let the agents talk about a batch, and return the losses to differentiate.

    Parameters
    ----------
    agents
        Of S seeds.
    images
        B images a seed.
    descriptions
        D candidates.
    targets
        ``[S, B]`` int64: the place of the right candidate.
    draws
        Random numbers.
    game
        Settings.
    entropies
        Weights of the entropy bonus.
    ended_leave
        Whether dialogues that have ended leave the batch. None: on a CPU, where it saves work; on a GPU it would
        have to be waited for.
    """
    sender, receiver = agents.sender, agents.receiver
    seen, known = prepare(sender, receiver, images, descriptions)
    crossed = make_channel(game.channel).crossed
    leave = targets.device.type == "cpu" and not crossed if ended_leave is None else ended_leave
    with torch.set_grad_enabled(crossed):
        turns = list(converse(sender, receiver, seen, known, draws, training=True, ended_leave=leave))
    layout = layout_of(turns)
    replayed = gathered(sender, turns, layout) if crossed else replay(sender, receiver, seen, known, turns, layout)
    return Talked(losses(agents, replayed, layout, targets, game, entropies), replayed, layout)
