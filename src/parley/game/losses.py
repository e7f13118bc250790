"""What the agents learn from: the reward, its baselines, and the losses of REINFORCE.

The Receiver learns to name the class by its negative log-likelihood; both agents learn what to say,
and the Receiver when to stop, by REINFORCE (Williams 1992) with a baseline and an entropy bonus, as in
Evtimova et al. (2018) and its 2017 code.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from parley.game.agents import Agents
from parley.game.baselines import Baseline, Knowledge
from parley.game.channel import make_channel
from parley.game.replay import Replay
from parley.game.settings import GameSettings
from parley.game.turns import Layout

TINY = 1e-8
"""Added inside logarithms, as in the 2017 code, so that a certain bit has a finite logarithm."""


class EntropyWeights(NamedTuple):
    """Weights (lambda) of the entropy bonus at a step of training: numbers, or tensors of one on the agents' device."""

    sender: float | Tensor
    receiver: float | Tensor
    stop: float | Tensor


class Losses(NamedTuple):
    """The loss of each network, ``[S]``, in nats but for the baselines', and what is worth logging."""

    sender: Tensor
    receiver: Tensor
    sender_baseline: Tensor
    receiver_baseline: Tensor
    nll: Tensor
    """``[S, B]``: −log p(target) at the stop, without gradient."""
    reward: Tensor
    """``[S, B]``."""

    @property
    def total(self) -> Tensor:
        """What to differentiate: no network's loss reaches a weight that another's is for."""
        return (self.sender + self.receiver + self.sender_baseline + self.receiver_baseline).sum()


def losses(
    agents: Agents, replay: Replay, layout: Layout, targets: Tensor, game: GameSettings, entropy_weights: EntropyWeights
) -> Losses:
    """Return the losses of one batch.

    Parameters
    ----------
    agents
        The four networks; the baselines are asked here.
    replayed, layout
        The conversation with gradient, and where its turns lie.
    targets
        ``[S, B]`` int64: the place of the right candidate.
    game
        Settings.
    entropy_weights
        Weights of the entropy bonus.
    """
    log_probs = replay.final_scores.log_softmax(-1)
    log_likelihood: Tensor = _AtTargets.apply(log_probs, targets)
    reward = reward_of(replay.final_scores, log_likelihood, targets, game)
    reward = reward - game.exchange_cost * dialogue_lengths(layout)
    earned = layout.spread(reward)
    knowledge = _knowledge(agents, replay, layout, game)
    expected = [
        _expected(baseline, known, earned, layout) for baseline, known in zip(agents[2:], knowledge, strict=True)
    ]
    sender_gain, receiver_gain = (earned - one.detach() for one in expected)
    channel, exchanges = make_channel(game.channel), layout.exchanges(earned)
    # A message after which the dialogue has stopped is heard by nobody, so nothing is learned from it.
    answered, heard = layout.mask[:, layout.batch :], exchanges[layout.batch :]
    sender = receiver = torch.zeros_like(log_likelihood[:, 0])
    if channel.discrete:
        sender = policy_loss(
            replay.sender_logits, replay.sender_said, sender_gain, layout.mask, exchanges, entropy_weights.sender,
            channel.uses_reinforce,
        )  # fmt: skip
        said, gain = (_at(values, layout.before) for values in (replay.receiver_said, receiver_gain))
        receiver = policy_loss(
            replay.receiver_logits, said, gain, answered, heard, entropy_weights.receiver, channel.uses_reinforce
        )
    smoothing = game.label_smoothing
    receiver = receiver - ((1 - smoothing) * log_likelihood + smoothing * log_probs.mean(-1)).mean(-1)
    if game.adaptive and learns_to_stop(game):
        receiver = receiver + policy_loss(
            replay.go_on_logits[..., None], replay.go_on[..., None], receiver_gain, layout.mask, exchanges,
            entropy_weights.stop, True,
        )  # fmt: skip
    sender_error, receiver_error = (_squared_error(one, earned, layout, learns_to_stop(game)) for one in expected)
    return Losses(sender, receiver, sender_error, receiver_error, -log_likelihood.detach(), reward)


def learns_to_stop(game: GameSettings) -> bool:
    """Return whether stop bits and baselines learn: in the 2017 code they did not where messages were continuous."""
    return game.channel != "continuous_original"


def dialogue_lengths(layout: Layout) -> Tensor:
    """Return the number of exchanges ``[S, B]`` of each dialogue."""
    if layout.full:
        by_exchange: Tensor = layout.mask.unflatten(1, (len(layout.sizes), layout.batch))
        return by_exchange.sum(1)
    return torch.zeros_like(layout.mask[:, : layout.batch]).scatter_add_(1, layout.rows, layout.mask)


def reward_of(scores: Tensor, log_likelihood: Tensor, targets: Tensor, game: GameSettings) -> Tensor:
    """Return the reward ``[S, B]`` of each dialogue, without gradient and before the exchanges' cost."""
    if game.reward == "original":
        return log_likelihood.detach()
    return (scores.argmax(-1) == targets).to(scores.dtype)


def _knowledge(agents: Agents, replay: Replay, layout: Layout, game: GameSettings) -> tuple[Knowledge, Knowledge]:
    """Return what the Sender knows at each turn, its view and what it heard, and the Receiver, likewise."""
    said = replay.receiver_said
    nothing = torch.full_like(said[:, : layout.batch], game.first_message)
    incoming = torch.cat([nothing, _at(said, layout.before)], 1)
    steady = agents.sender.eye.steady
    views = replay.views
    sender = Knowledge(incoming, views) if steady else Knowledge(torch.cat([views, incoming], -1))
    states = replay.states if game.receiver_baseline == "original" else replay.states_before
    return sender, Knowledge(torch.cat([replay.sender_said, states], -1))


def _at(values: Tensor, places: Tensor) -> Tensor:
    """Return values ``[S, K, ...]`` at the given places ``[S, K]`` of ``[S, N, ...]``."""
    index = places if values.dim() == 2 else places[..., None].expand(-1, -1, values.shape[-1])
    return values.gather(1, index)


def _expected(baseline: Baseline, known: Knowledge, earned: Tensor, layout: Layout) -> Tensor:
    expected = baseline.expect(known, earned, layout)
    with torch.no_grad():
        baseline.update(earned, layout)
    return expected


def _squared_error(expected: Tensor, earned: Tensor, layout: Layout, learns: bool) -> Tensor:
    if not (expected.requires_grad and learns):
        return earned.new_zeros(len(earned))
    return ((earned - expected).square() * layout.mask).sum(1) / layout.mask.sum(1)


def policy_loss(
    logits: Tensor,
    bits: Tensor,
    gain: Tensor,
    mask: Tensor,
    exchanges: Tensor,
    entropy_weight: float | Tensor,
    scored: bool,
) -> Tensor:
    """Return REINFORCE's loss with an entropy bonus, ``[S]``.

    The loss of an exchange is its mean over the dialogues that are on; exchanges weigh by how many those are,
    which comes to the mean over all turns. In a Fixed game that is the plain mean over exchanges.

    Parameters
    ----------
    logits, bits
        ``[S, N, d]``: of what was decided, and the decisions.
    gain
        ``[S, N]``: reward less what was expected.
    mask
        ``[S, N]``: turns that count.
    exchanges
        ``[N, T]``: from `Layout.exchanges`.
    entropy_weight
        Lambda.
    scored
        Whether decisions are credited, or only the entropy counts.
    """
    shares = mask / mask.sum(1, keepdim=True).clamp(min=1)
    credit = -scaled(gain, mask, exchanges) * shares if scored else torch.zeros_like(shares)
    loss: Tensor = _Policy.apply(logits, bits, credit, entropy_weight * shares)
    return loss


def scaled(gain: Tensor, mask: Tensor, exchanges: Tensor) -> Tensor:
    """Divide each exchange's gains ``[S, N]`` by their standard deviation where that is over 1.

    The deviation is the unbiased one over the dialogues still on; with one left there is none.
    """
    count = mask @ exchanges
    mean = (gain * mask) @ exchanges / count.clamp(min=1)
    centred = (gain - mean @ exchanges.mT) * mask
    variance = centred.square() @ exchanges / (count - 1).clamp(min=1)
    return gain / (variance.sqrt().clamp(min=1) @ exchanges.mT)


class _AtTargets(torch.autograd.Function):
    """Values ``[S, B]`` of ``[S, B, D]`` at the targets ``[S, B]``.

    Where the algorithm must be a deterministic one, torch's own gradient copies from the CPU, which a GPU has to be
    waited for.
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
    """Σ over turns of credit · log p(bits) + weight · Σ over bits of p log p + (1−p) log(1−p).

    Its gradient by the logits is known in closed form, and found along with it.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, bits: Tensor, credit: Tensor, weight: Tensor) -> Tensor:
        one = logits.sigmoid()
        zero = 1 - one
        log_one, log_zero = (one + TINY).log(), (zero + TINY).log()
        # Each turn's own credit goes with each of its own bits: shapes [S, N, 1] and [S, N, d]. A sum over
        # bits that kept its dimension would broadcast to every pair of turns and raise nothing.
        by_one = credit[..., None] * bits + weight[..., None] * one
        by_zero = credit[..., None] * (1 - bits) + weight[..., None] * zero
        slope = by_one / (one + TINY) - by_zero / (zero + TINY) + weight[..., None] * (log_one - log_zero)
        ctx.save_for_backward(slope * one * zero)
        return (by_one * log_one + by_zero * log_zero).sum((1, 2))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return slope * grads[0][:, None, None], None, None, None
