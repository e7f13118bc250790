"""A batch talked about, and what is to be learned from it."""

from typing import NamedTuple

import torch
from torch import Tensor

from parley.game.agents import Agents
from parley.game.channel import make_channel
from parley.game.losses import EntropyWeights, Losses, losses
from parley.game.replay import Replay, replay_with_grad, stack_steps
from parley.game.rollout import layout_of, prepare, rollout_steps
from parley.game.settings import GameSettings
from parley.game.turns import Layout
from parley.game.types import Descriptions, Images, RandomDraws


class LossStep(NamedTuple):
    """A batch that was talked about."""

    losses: Losses
    replay: Replay
    layout: Layout


def compute_losses(
    agents: Agents,
    images: Images,
    descriptions: Descriptions,
    targets: Tensor,
    draws: RandomDraws,
    game: GameSettings,
    entropy_weights: EntropyWeights,
    compact_finished: bool | None = None,
) -> LossStep:
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
    entropy_weights
        Weights of the entropy bonus.
    compact_finished
        Whether dialogues that have ended leave the batch. None: on a CPU, where it saves work; on a GPU it would
        have to be waited for.
    """
    sender, receiver = agents.sender, agents.receiver
    seen, known = prepare(sender, receiver, images, descriptions)
    crossed = make_channel(game.channel).differentiable
    leave = targets.device.type == "cpu" and not crossed if compact_finished is None else compact_finished
    with torch.set_grad_enabled(crossed):
        turns = list(rollout_steps(sender, receiver, seen, known, draws, training=True, compact_finished=leave))
    layout = layout_of(turns)
    replay = (
        stack_steps(sender, turns, layout)
        if crossed
        else replay_with_grad(sender, receiver, seen, known, turns, layout)
    )
    return LossStep(losses(agents, replay, layout, targets, game, entropy_weights), replay, layout)
