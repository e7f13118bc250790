"""Replay: compute the values of a rollout again, this time with gradient and for all its turns at once.

A turn is one exchange of one dialogue; N is the number of turns of all dialogues in a batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from parley.game.layers import TanhOutput, concatenate
from parley.game.own_agents import OwnSenders
from parley.game.receiver import EncodedCandidates, Receiver, of_turns
from parley.game.rollout import Step
from parley.game.sender import EncodedImages, Sender
from parley.game.turns import PackedIndex, pick, pick_each


class Replay(NamedTuple):
    """The values of a rollout from which the losses are computed; only logits and scores have gradient."""

    sender_logits: Tensor
    """``[S, N, d]``: logits of the Sender's messages."""
    receiver_logits: Tensor
    """``[S, N − B, d]``: logits of the Receiver's messages except each dialogue's last, ordered as in `previous`."""
    go_on_logits: Tensor
    """``[S, N]``: logits of continuing the dialogue."""
    final_scores: Tensor
    """``[S, B, D]``: scores at the last exchange of each dialogue."""
    views: Tensor
    """``[S, N, hidden]``, or ``[S, B, hidden]`` if the same in every exchange: the Sender's image representations."""
    states: Tensor
    """``[S, N, H]``: the Receiver's state after the update in each turn."""
    states_before: Tensor
    """``[S, N, H]``: the Receiver's state before the update in each turn."""
    sender_messages: Tensor
    """``[S, N, d]``: the Sender's messages as the Receiver receives them, after perturbations."""
    receiver_messages: Tensor
    """``[S, N, d]``: the Receiver's messages after perturbations, including those that the Sender never receives."""
    go_on: Tensor
    """``[S, N]``: the Receiver's decisions, 1 to continue and 0 to stop."""


def replay_with_grad(
    sender: Sender,
    receiver: Receiver,
    encoded: EncodedImages,
    candidates: EncodedCandidates,
    steps: list[Step],
    packed: PackedIndex,
) -> Replay:
    """Compute the values of a rollout again with gradient, for all turns at once.

    Parameters
    ----------
    sender, receiver, encoded, candidates
        The agents and encodings with which the rollout was made. Gradient flows to all four.
    steps, packed
        The exchanges, from `RolloutState.steps`, and the exchange and dialogue of each of their turns.
    """
    sender_messages = torch.cat([step.sender_message.value for step in steps], 1)
    receiver_messages = torch.cat([step.receiver_message.value for step in steps], 1)
    received = pick(receiver_messages, packed.previous)
    views = sender.eye.replay_with_grad(encoded, received, [step.view for step in steps], packed)
    sender_logits = sender.replay_with_grad(views, received, concatenate([step.sender_output for step in steps]))

    gru = receiver.listen.replay_with_grad(sender_messages, [step.gru for step in steps], packed)
    attended = receiver.replay_with_grad(candidates, gru.after, [step.attended for step in steps], packed)
    probs, *outputs = pick_each(
        [torch.cat([step.probs for step in steps], 1), *concatenate([step.receiver_output for step in steps])],
        packed.previous,
    )
    attended_before, before = of_turns(attended, packed.previous), pick(gru.after, packed.previous)
    return Replay(
        sender_logits,
        receiver.replay_message(candidates, attended_before, probs, before, TanhOutput(*outputs)),
        receiver.go_on_logits(gru.after),
        receiver.score(candidates, of_turns(attended, packed.last), pick(gru.after, packed.last)),
        (encoded.features if sender.is_static else views).detach(),
        gru.after.detach(),
        gru.before,
        sender_messages,
        receiver_messages,
        torch.cat([step.go_on for step in steps], 1),
    )


def stack_steps(sender: Sender | OwnSenders, steps: list[Step], packed: PackedIndex) -> Replay:
    """Return the values of a rollout that was run with gradient, concatenated exchange by exchange, as a `Replay`."""
    receiver_logits = torch.cat([step.receiver_output.logits for step in steps], 1)
    scores = torch.cat([step.scores for step in steps], 1)
    views = steps[0].view.vector if sender.is_static else torch.cat([step.view.vector for step in steps], 1)
    return Replay(
        torch.cat([step.sender_output.logits for step in steps], 1),
        pick(receiver_logits, packed.previous),
        torch.cat([step.go_on_logits for step in steps], 1),
        pick(scores, packed.last),
        views.detach(),
        torch.cat([step.gru.after for step in steps], 1).detach(),
        torch.cat([step.gru.before for step in steps], 1).detach(),
        torch.cat([step.sender_message.value for step in steps], 1).detach(),
        torch.cat([step.receiver_message.value for step in steps], 1).detach(),
        torch.cat([step.go_on for step in steps], 1),
    )
