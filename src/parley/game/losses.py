"""Losses of the four networks: negative log-likelihood, REINFORCE with a baseline, and an entropy bonus.

The Receiver learns to predict the class by minimising the negative log-likelihood of the correct class. Both agents
learn their messages, and the Receiver also its stop bit, by REINFORCE (Williams 1992) with a baseline and an entropy
bonus, as in the original implementation (Evtimova et al., 2018). A turn is one exchange of one dialogue.
"""

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.game.agents import Agents, BaselineInput
from parley.game.channel import make_channel
from parley.game.receiver import Receiver
from parley.game.replay import Replay, replay_with_grad, stack_steps
from parley.game.rollout import RolloutState, encode, pack_steps
from parley.game.sender import Sender
from parley.game.settings import GameSettings, TrainingSettings, chosen_options
from parley.game.turns import PackedIndex
from parley.game.types import Descriptions, Images, RandomDraws
from parley.plugins.registry import Option, Registry

TINY = 1e-8
"""Constant added to probabilities to keep their logarithms finite, as in the original implementation."""


class EntropyWeights(NamedTuple):
    """Weights of the entropy bonus at one training step: numbers, or scalar tensors on the agents' device."""

    sender: float | Tensor
    receiver: float | Tensor
    stop: float | Tensor


class Losses(NamedTuple):
    """Losses of the four networks, ``[S]`` each, and the values that are logged.

    The loss of a baseline is the mean squared error of the predicted reward.
    """

    sender: Tensor
    receiver: Tensor
    sender_baseline: Tensor
    receiver_baseline: Tensor
    nll: Tensor
    """``[S, B]``: negative log-likelihood of the target at each dialogue's last exchange, in nats, without gradient."""
    reward: Tensor
    """``[S, B]``: reward of each dialogue, after subtracting the cost of its exchanges."""

    @property
    def total(self) -> Tensor:
        """Return the sum of the losses of all networks and seeds, the value to differentiate.

        Unless the channel is differentiable, the gradient of each loss with respect to other networks' weights is zero,
        so each network is trained on its own loss. On a differentiable channel the Receiver's loss also trains the
        Sender.
        """
        return (self.sender + self.receiver + self.sender_baseline + self.receiver_baseline).sum()


def losses(
    agents: Agents,
    replay: Replay,
    packed: PackedIndex,
    targets: Tensor,
    game: GameSettings,
    entropy_weights: EntropyWeights,
) -> Losses:
    """Return the losses of one batch.

    Parameters
    ----------
    agents
        The four networks. Baselines that are not trained by gradient are updated by this function.
    replay, packed
        Values of the rollout with gradient, and the exchange and dialogue of each turn.
    targets
        ``[S, B]`` int64: index of each target among the candidates.
    game
        Settings of the game.
    entropy_weights
        Weights of the entropy bonus.
    """
    log_probs = replay.final_scores.log_softmax(-1)
    log_likelihood: Tensor = _AtTargets.apply(log_probs, targets)
    reward = reward_of(replay.final_scores, log_likelihood, targets, game)
    reward = reward - game.exchange_cost * dialogue_lengths(packed)
    returns = packed.repeat_per_turn(reward)
    baseline_inputs = _baseline_inputs(agents, replay, packed, game)
    baseline_values = []
    for baseline, inputs in zip(agents[2:], baseline_inputs, strict=True):
        baseline_values.append(baseline.predict(inputs, returns, packed))
        with torch.no_grad():
            baseline.update(returns, packed)
    sender_advantage, receiver_advantage = (returns - value.detach() for value in baseline_values)
    channel, exchanges = make_channel(game), packed.one_hot_exchanges(returns)
    # If no message is trained, as on `continuous_original`, stop bits and baselines are not trained either.
    trained = channel.differentiable or channel.uses_reinforce
    sender = receiver = torch.zeros_like(log_likelihood[:, 0])
    if channel.has_entropy:
        sender = policy_loss(
            replay.sender_logits, replay.sender_messages, sender_advantage, packed.mask, exchanges,
            entropy_weights.sender, channel.uses_reinforce,
        )  # fmt: skip
        # The Sender does not receive the last message of a dialogue, so nothing is learned from that message.
        receiver_messages = _at(replay.receiver_messages, packed.previous)
        receiver = policy_loss(
            replay.receiver_logits, receiver_messages, _at(receiver_advantage, packed.previous),
            packed.mask[:, packed.batch :], exchanges[packed.batch :], entropy_weights.receiver,
            channel.uses_reinforce,
        )  # fmt: skip
    smoothing = game.label_smoothing
    receiver = receiver - ((1 - smoothing) * log_likelihood + smoothing * log_probs.mean(-1)).mean(-1)
    if game.adaptive and trained:
        receiver = receiver + policy_loss(
            replay.go_on_logits[..., None], replay.go_on[..., None], receiver_advantage, packed.mask, exchanges,
            entropy_weights.stop, True,
        )  # fmt: skip
    sender_error, receiver_error = (_squared_error(value, returns, packed, trained) for value in baseline_values)
    return Losses(sender, receiver, sender_error, receiver_error, -log_likelihood.detach(), reward)


def dialogue_lengths(packed: PackedIndex) -> Tensor:
    """Return the number of exchanges of each dialogue, ``[S, B]``."""
    if packed.full:
        by_exchange: Tensor = packed.mask.unflatten(1, (len(packed.sizes), packed.batch))
        return by_exchange.sum(1)
    return torch.zeros_like(packed.mask[:, : packed.batch]).scatter_add_(1, packed.rows, packed.mask)


class Reward(Protocol):
    """A function that returns the reward of each dialogue, ``[S, B]``, before the cost of exchanges is subtracted."""

    def __call__(self, scores: Tensor, log_likelihood: Tensor, targets: Tensor, **options: Option) -> Tensor:
        """Return the rewards.

        Parameters
        ----------
        scores
            ``[S, B, D]``: the Receiver's scores of the candidates at each dialogue's last exchange.
        log_likelihood
            ``[S, B]``: log p(target) in nats.
        targets
            ``[S, B]`` int64: index of each target among the candidates.
        options
            Options of a reward that a plug-in registers.
        """


def original_reward(scores: Tensor, log_likelihood: Tensor, targets: Tensor, **options: Option) -> Tensor:
    """Return log p(target), as in the original implementation."""
    return log_likelihood


def paper_reward(scores: Tensor, log_likelihood: Tensor, targets: Tensor, **options: Option) -> Tensor:
    """Return 1 for correct answers, else 0."""
    return (scores.argmax(-1) == targets).to(scores.dtype)


REWARDS: Registry[Reward] = Registry("reward", "game.reward", {"original": original_reward, "paper": paper_reward})


def reward_of(scores: Tensor, log_likelihood: Tensor, targets: Tensor, game: GameSettings) -> Tensor:
    """Return the reward of each dialogue, ``[S, B]``, without gradient, before the cost of exchanges is subtracted."""
    options = chosen_options(REWARDS, game.reward, game)
    reward = REWARDS[game.reward](scores, log_likelihood, targets, **options).detach()
    if reward.shape != targets.shape:
        raise ParleyError(
            f"game.reward: {game.reward} returned {tuple(reward.shape)} numbers; return one for each dialogue of each "
            f"seed, {tuple(targets.shape)}."
        )
    return reward.to(scores.dtype)


def _baseline_inputs(
    agents: Agents, replay: Replay, packed: PackedIndex, game: GameSettings
) -> tuple[BaselineInput, BaselineInput]:
    """Return the input of the Sender's baseline (image, received message) and the Receiver's (message, state)."""
    messages = replay.receiver_messages
    first = torch.full_like(messages[:, : packed.batch], game.first_message)
    received = torch.cat([first, _at(messages, packed.previous)], 1)
    static, views = agents.sender.is_static, replay.views
    sender = BaselineInput(received, views) if static else BaselineInput(torch.cat([views, received], -1))
    states = replay.states if game.receiver_baseline == "original" else replay.states_before
    return sender, BaselineInput(torch.cat([replay.sender_messages, states], -1))


def _at(values: Tensor, positions: Tensor) -> Tensor:
    """Select the values at the positions ``[S, K]`` from values ``[S, N]`` or ``[S, N, width]``."""
    index = positions if values.dim() == 2 else positions[..., None].expand(-1, -1, values.shape[-1])
    return values.gather(1, index)


def _squared_error(value: Tensor, returns: Tensor, packed: PackedIndex, trained: bool) -> Tensor:
    if not (value.requires_grad and trained):
        return returns.new_zeros(len(returns))
    return ((returns - value).square() * packed.mask).sum(1) / packed.mask.sum(1)


def policy_loss(
    logits: Tensor,
    bits: Tensor,
    advantage: Tensor,
    mask: Tensor,
    exchanges: Tensor,
    entropy_weight: float | Tensor,
    uses_reinforce: bool,
) -> Tensor:
    """Return the REINFORCE loss with an entropy bonus, ``[S]``.

    The loss is the mean over the turns in the mask, so that the weight of an exchange is proportional to the number of
    dialogues that are active in it. In a Fixed game, all exchanges have equal weight.

    Parameters
    ----------
    logits, bits
        ``[S, N, d]``: logits of the sampled bits, and the sampled bits.
    advantage
        ``[S, N]``: reward minus the baseline's prediction.
    mask
        ``[S, N]``: 1 for turns that are included in the loss, else 0.
    exchanges
        ``[N, T]``: exchange of each turn as a one-hot vector, from `PackedIndex.one_hot_exchanges`.
    entropy_weight
        Weight of the entropy bonus.
    uses_reinforce
        If false, the loss is the entropy bonus alone.
    """
    turn_weight = mask / mask.sum(1, keepdim=True).clamp(min=1)
    weight = -scaled(advantage, mask, exchanges) * turn_weight if uses_reinforce else torch.zeros_like(turn_weight)
    loss: Tensor = _Policy.apply(logits, bits, weight, entropy_weight * turn_weight)
    return loss


def scaled(advantage: Tensor, mask: Tensor, exchanges: Tensor) -> Tensor:
    """Divide the advantages ``[S, N]`` of each exchange by their standard deviation if it exceeds 1.

    The standard deviation is taken over active dialogues, with Bessel's correction; it is 0 if only one is active.
    """
    count = mask @ exchanges
    mean = (advantage * mask) @ exchanges / count.clamp(min=1)
    centred = (advantage - mean @ exchanges.mT) * mask
    variance = centred.square() @ exchanges / (count - 1).clamp(min=1)
    return advantage / (variance.sqrt().clamp(min=1) @ exchanges.mT)


class _AtTargets(torch.autograd.Function):
    """Autograd function that selects, from values ``[S, B, D]``, those at the target indices ``[S, B]``.

    Its backward pass replaces that of torch's `gather`, which copies data from the CPU if deterministic algorithms are
    required, so that a GPU has to synchronise.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, targets: Tensor) -> Tensor:
        ctx.save_for_backward(targets)
        ctx.width = values.shape[-1]
        return values.gather(-1, targets[..., None])[..., 0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (targets,) = ctx.saved_tensors
        others = torch.arange(ctx.width, device=targets.device) != targets[..., None]
        return grads[0][..., None].expand_as(others).masked_fill(others, 0.0), None


class _Policy(torch.autograd.Function):
    """Autograd function of the policy loss.

    The loss is a sum over turns: `weight` times the log-probability of the turn's bits, minus `entropy_weight` times
    the entropy of their distribution. Its gradient with respect to the logits is computed in the forward pass.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, bits: Tensor, weight: Tensor, entropy_weight: Tensor) -> Tensor:
        one = logits.sigmoid()
        zero = 1 - one
        log_one, log_zero = (one + TINY).log(), (zero + TINY).log()
        # Weights [S, N, 1] multiply the values of single bits, [S, N, d]. If the bits were summed first, weights [S, N]
        # times sums [S, N, 1] would silently broadcast to all pairs of turns.
        by_one = weight[..., None] * bits + entropy_weight[..., None] * one
        by_zero = weight[..., None] * (1 - bits) + entropy_weight[..., None] * zero
        slope = by_one / (one + TINY) - by_zero / (zero + TINY) + entropy_weight[..., None] * (log_one - log_zero)
        ctx.save_for_backward(slope * one * zero)
        return (by_one * log_one + by_zero * log_zero).sum((1, 2))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return slope * grads[0][:, None, None], None, None, None


def entropy_weights_at(training: TrainingSettings, step: int) -> EntropyWeights:
    """Return the weights of the entropy bonus at a step, counted from 1. An unknown schedule raises `ParleyError`."""
    if training.entropy_schedule == "constant":
        factor = 1.0
    elif training.entropy_schedule == "linear":
        # The factor changes linearly from 1 to entropy_final, which it reaches at entropy_steps or the last step.
        done = min(step / (training.entropy_steps or training.steps), 1.0)
        factor = 1.0 + (training.entropy_final - 1.0) * done
    else:
        raise ParleyError(f"training.entropy_schedule: {training.entropy_schedule!r} is not one of constant, linear.")
    return EntropyWeights(
        factor * training.sender_entropy, factor * training.receiver_entropy, factor * training.stop_entropy
    )


class LossStep(NamedTuple):
    """Losses of a batch, and the rollout from which they are computed."""

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
        Agents of S seeds.
    images
        B images per seed.
    descriptions
        Descriptions of D candidates.
    targets
        ``[S, B]`` int64: index of each target among the candidates.
    draws
        Random numbers for sampling and flipping bits.
    game
        Settings of the game.
    entropy_weights
        Weights of the entropy bonus.
    compact_finished
        Whether to drop finished dialogues from the batch. If None, they are dropped on a CPU, unless the rollout has
        gradient. On a GPU, dropping them would require a synchronisation.
    """
    sender, receiver = agents.sender, agents.receiver
    encoded, candidates = encode(sender, receiver, images, descriptions)
    with_grad = make_channel(game).differentiable or agents.are_own
    if compact_finished is None:
        compact_finished = targets.device.type == "cpu" and not with_grad
    with torch.set_grad_enabled(with_grad):
        rollout = RolloutState(sender, receiver, encoded, candidates, draws, training=True)
        steps = list(rollout.steps(compact_finished))
    packed = pack_steps(steps)
    if with_grad:
        replay = stack_steps(sender, steps, packed)
    else:
        assert isinstance(sender, Sender)
        assert isinstance(receiver, Receiver)
        replay = replay_with_grad(sender, receiver, encoded, candidates, steps, packed)
    return LossStep(losses(agents, replay, packed, targets, game, entropy_weights), replay, packed)
