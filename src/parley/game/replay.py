"""A conversation gone through again with gradient, all turns at once."""

from typing import NamedTuple

import torch
from torch import Tensor

from parley.game.receiver import Known, Receiver, of_turns
from parley.game.rollout import Turn
from parley.game.sender import Seen, Sender
from parley.game.turns import Layout, pick


class Replay(NamedTuple):
    """What learning needs of a conversation; gradient flows through logits and scores."""

    sender_logits: Tensor
    """``[S, N, d]``."""
    receiver_logits: Tensor
    """``[S, N − B, d]``: of the questions that were answered, in the order of `Layout.before`."""
    go_on_logits: Tensor
    """``[S, N]``."""
    final_scores: Tensor
    """``[S, B, D]``: scores at the exchange where each dialogue stopped."""
    views: Tensor
    """``[S, N, hidden]``, or ``[S, B, hidden]`` where the view is the same at every turn, without gradient."""
    states: Tensor
    """``[S, N, H]``: the Receiver's state after each turn, without gradient."""
    states_before: Tensor
    """``[S, N, H]``."""
    sender_said: Tensor
    """``[S, N, d]``, without gradient."""
    receiver_said: Tensor
    """``[S, N, d]``, without gradient."""
    go_on: Tensor
    """``[S, N]``: decisions."""


def replay_with_grad(
    sender: Sender, receiver: Receiver, seen: Seen, known: Known, turns: list[Turn], layout: Layout
) -> Replay:
    """Go through a conversation again with gradient.

    Parameters
    ----------
    sender, receiver, seen, known
        Those of the conversation; gradient goes through them.
    turns, layout
        What was said, from `converse`, and where it lies.
    """
    said, asked = (_packed(turns, name) for name in ("sender", "receiver"))
    incoming = pick(asked, layout.before)
    views = sender.eye.look_again(seen, incoming, [turn.look for turn in turns], layout)
    opening, later = views.split([layout.batch, views.shape[1] - layout.batch], 1)
    sender_logits = torch.cat([sender.open(opening), sender.answer(later, incoming)], 1)

    steps = [turn.step for turn in turns]
    states = receiver.listen.again(said, steps, layout)
    reading = receiver.read_again(known, states, [turn.reading for turn in turns], layout)
    asking = pick(states, layout.before)
    if reading.weights is None:
        gist = pick(torch.cat([turn.gist for turn in turns], 1), layout.before)
    else:
        belief = pick(torch.cat([turn.scores for turn in turns], 1), layout.before).softmax(-1)
        gist = receiver.gist(known, of_turns(reading, layout.before), belief)
    return Replay(
        sender_logits,
        receiver.question(gist, asking),
        receiver.go_on(states),
        receiver.score(known, of_turns(reading, layout.last), pick(states, layout.last)),
        (seen.features if sender.eye.steady else views).detach(),
        states.detach(),
        torch.cat([step.before for step in steps], 1),
        said,
        asked,
        torch.cat([turn.go_on for turn in turns], 1),
    )


def stack_steps(sender: Sender, turns: list[Turn], layout: Layout) -> Replay:
    """Gather what learning needs of a conversation that was rolled out with gradient."""
    receiver_logits = torch.cat([turn.receiver_logits for turn in turns], 1)
    scores = torch.cat([turn.scores for turn in turns], 1)
    return Replay(
        torch.cat([turn.sender_logits for turn in turns], 1),
        pick(receiver_logits, layout.before),
        torch.cat([turn.go_on_logits for turn in turns], 1),
        pick(scores, layout.last),
        (turns[0].look.view if sender.eye.steady else torch.cat([turn.look.view for turn in turns], 1)).detach(),
        torch.cat([turn.step.after for turn in turns], 1).detach(),
        torch.cat([turn.step.before for turn in turns], 1).detach(),
        _packed(turns, "sender").detach(),
        _packed(turns, "receiver").detach(),
        torch.cat([turn.go_on for turn in turns], 1),
    )


def _packed(turns: list[Turn], agent: str) -> Tensor:
    return torch.cat([getattr(turn, agent).value for turn in turns], 1)
