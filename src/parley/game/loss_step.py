"""One training batch from inputs to losses: rollout, replay with gradient, losses."""

from typing import NamedTuple

import torch
from torch import Tensor

from parley.game.agents import Agents
from parley.game.channel import make_channel
from parley.game.losses import EntropyWeights, Losses, losses
from parley.game.replay import Replay, replay_with_grad, stack_steps
from parley.game.rollout import encode, pack_steps, rollout_steps
from parley.game.settings import GameSettings
from parley.game.turns import PackedIndex
from parley.game.types import Descriptions, Images, RandomDraws


class LossStep(NamedTuple):
    """The losses of a batch, with the rollout that they come from."""

    losses: Losses
    replay: Replay
    packed: PackedIndex


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
    """Roll out a batch of dialogues and return the losses to differentiate.

    Parameters
    ----------
    agents
        Of S seeds.
    images
        B images per seed.
    descriptions
        D candidates.
    targets
        ``[S, B]`` int64: the index of the right candidate.
    draws
        Random numbers.
    game
        Settings.
    entropy_weights
        Weights of the entropy bonus.
    compact_finished
        Whether finished dialogues are dropped from the batch. None: on a CPU only, where it saves work; on a GPU it
        would need a synchronisation.
    """
    sender, receiver = agents.sender, agents.receiver
    encoded, candidates = encode(sender, receiver, images, descriptions)
    differentiable = make_channel(game.channel).differentiable
    if compact_finished is None:
        compact_finished = targets.device.type == "cpu" and not differentiable
    with torch.set_grad_enabled(differentiable):
        steps = list(
            rollout_steps(
                sender, receiver, encoded, candidates, draws, training=True, compact_finished=compact_finished
            )
        )
    packed = pack_steps(steps)
    if differentiable:
        replay = stack_steps(sender, steps, packed)
    else:
        replay = replay_with_grad(sender, receiver, encoded, candidates, steps, packed)
    return LossStep(losses(agents, replay, packed, targets, game, entropy_weights), replay, packed)
