"""What the agents learn from: the reward, its baselines, and the losses of REINFORCE.

The Receiver learns to name the class by its negative log-likelihood; both agents learn what to say,
and the Receiver when to stop, by REINFORCE (Williams 1992) with a learned baseline and an entropy
bonus, as in Evtimova et al. (2018) and its 2017 code.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from parley.game.agents import Agents
from parley.game.payloads import Dialogue, Replay
from parley.game.settings import GameSettings, TrainingSettings

TINY = 1e-8
"""Added inside logarithms, as in the 2017 code, so that a certain bit has a finite logarithm."""


class Losses(NamedTuple):
    """The loss of each network, and what is worth logging; scalars in nats, but for the baselines."""

    sender: Tensor
    receiver: Tensor
    sender_baseline: Tensor
    receiver_baseline: Tensor
    nll: Tensor
    """``[B]``: −log p(target) at the stop, without gradient."""
    reward: Tensor
    """``[B]``."""


def losses(
    agents: Agents,
    replayed: Replay,
    dialogue: Dialogue,
    targets: Tensor,
    game: GameSettings,
    training: TrainingSettings,
) -> Losses:
    """Return the losses of one batch.

    Parameters
    ----------
    agents
        The four networks; the baselines are asked here.
    replayed, dialogue
        The conversation with and without gradient.
    targets
        ``[B]`` int64: the place of the right candidate.
    game, training
        Settings.
    """
    log_likelihood = replayed.final_scores.log_softmax(-1).gather(1, targets[:, None])[:, 0]
    reward = reward_of(replayed.final_scores, log_likelihood, targets, game)
    active = dialogue.active
    # A message after which the dialogue has stopped is heard by nobody, so nothing is learned from it.
    heard = torch.cat([active[1:], torch.zeros_like(active[:1])])
    sender_expected, receiver_expected = expected_rewards(agents, replayed, dialogue, game)
    sender = _policy_loss(
        replayed.sender_probs, dialogue.sender_bits, reward - sender_expected, active, training.sender_entropy, game
    )
    receiver_gain = reward - receiver_expected
    receiver = -log_likelihood.mean() + _policy_loss(
        replayed.receiver_probs, dialogue.receiver_bits, receiver_gain, heard, training.receiver_entropy, game
    )
    if game.adaptive:
        receiver = receiver + _policy_loss(
            replayed.go_on_probs[..., None],
            dialogue.go_on[..., None],
            receiver_gain,
            active,
            training.stop_entropy,
            game,
        )
    return Losses(
        sender,
        receiver,
        _weighted_steps(_masked_mean((reward - sender_expected).square(), active), active, game),
        _weighted_steps(_masked_mean((reward - receiver_expected).square(), active), active, game),
        -log_likelihood.detach(),
        reward,
    )


def reward_of(scores: Tensor, log_likelihood: Tensor, targets: Tensor, game: GameSettings) -> Tensor:
    """Return the reward ``[B]`` of each dialogue, without gradient."""
    if game.reward == "original":
        return log_likelihood.detach()
    return (scores.argmax(-1) == targets).to(scores.dtype)


def expected_rewards(agents: Agents, replayed: Replay, dialogue: Dialogue, game: GameSettings) -> tuple[Tensor, Tensor]:
    """Return what each agent's baseline expects at each exchange, ``[T, B]`` twice."""
    nothing = torch.full_like(dialogue.receiver_bits[:1], game.first_message)
    incoming = torch.cat([nothing, dialogue.receiver_bits[:-1]])
    states = replayed.states[1:] if game.receiver_baseline == "original" else replayed.states[:-1]
    return (
        agents.sender_baseline(torch.cat([replayed.views, incoming], -1)),
        agents.receiver_baseline(torch.cat([dialogue.sender_bits, states], -1)),
    )


def _policy_loss(
    probs: Tensor, bits: Tensor, gain: Tensor, mask: Tensor, entropy_weight: float, game: GameSettings
) -> Tensor:
    """REINFORCE with an entropy bonus, from ``[T, B, bits]`` probabilities and decisions and ``[T, B]`` gains."""
    log_one, log_zero = (probs + TINY).log(), (1 - probs + TINY).log()
    # Summed over bits only: a dimension kept by mistake would broadcast to [B, B] and silently
    # credit every dialogue with every other's reward.
    log_said = (bits * log_one + (1 - bits) * log_zero).sum(-1)
    negative_entropy = (probs * log_one + (1 - probs) * log_zero).sum(-1)
    advantage = _scaled(gain.detach(), mask)
    per_step = _masked_mean(-advantage * log_said + entropy_weight * negative_entropy, mask)
    return _weighted_steps(per_step, mask, game)


def _scaled(gain: Tensor, mask: Tensor) -> Tensor:
    """Divide each exchange's gains ``[T, B]`` by their standard deviation where that is over 1.

    The deviation is the unbiased one over the dialogues still on; with one left there is none.
    """
    count = mask.sum(1, keepdim=True)
    mean = (gain * mask).sum(1, keepdim=True) / count.clamp(min=1)
    variance = ((gain - mean).square() * mask).sum(1, keepdim=True) / (count - 1).clamp(min=1)
    return gain / variance.sqrt().clamp(min=1)


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum(1) / mask.sum(1).clamp(min=1)


def _weighted_steps(per_step: Tensor, mask: Tensor, game: GameSettings) -> Tensor:
    """Join exchanges ``[T]``: by how many dialogues are on in an adaptive game, evenly in a fixed one."""
    count = mask.sum(1)
    if not game.adaptive:
        count = (count > 0).to(count.dtype)
    return (per_step * count).sum() / count.sum().clamp(min=1)
