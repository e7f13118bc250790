"""The Receiver's memory: a GRU whose states are known when it learns.

A message is a constant for learning, so the states of a dialogue need not be computed again; only the
gradient goes back through them, one exchange after the other, and into the weights all at once.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from parley.game.layers import linear
from parley.game.turns import Layout


class Step(NamedTuple):
    """One update of the states ``[S, M, H]``."""

    before: Tensor
    after: Tensor
    gates: Tensor
    """``[S, M, 2H]``: reset and update gate."""
    new: Tensor
    """``[S, M, H]``: the candidate state, tanh(W_in·message + b_in + reset · recalled)."""
    recalled: Tensor
    """``[S, M, H]``: W_hn·before + b_hn."""


class Memory(nn.Module):
    """S GRU cells, with torch's order of gates (reset, update, new) and two biases.

    Parameters
    ----------
    seeds
        How many (S).
    inputs
        Width d of a message.
    hidden
        Width H of the state.
    """

    def __init__(self, seeds: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.weight_ih = nn.Parameter(torch.empty(seeds, 3 * hidden, inputs))
        self.weight_hh = nn.Parameter(torch.empty(seeds, 3 * hidden, hidden))
        self.bias_ih = nn.Parameter(torch.empty(seeds, 3 * hidden))
        self.bias_hh = nn.Parameter(torch.empty(seeds, 3 * hidden))

    def forward(self, message: Tensor, state: Tensor) -> Step:
        """Return the update of states ``[S, M, H]`` by messages ``[S, M, d]``."""
        heard = linear(message, self.weight_ih, self.bias_ih)
        held = linear(state, self.weight_hh, self.bias_hh)
        width = 2 * self.hidden
        gates = (heard[..., :width] + held[..., :width]).sigmoid()
        reset, update = gates.chunk(2, -1)
        recalled = held[..., width:]
        new = torch.tanh(heard[..., width:] + reset * recalled)
        return Step(state, new + update * (state - new), gates, new, recalled)

    def again(self, messages: Tensor, steps: list[Step], layout: Layout) -> Tensor:
        """Return the states ``[S, N, H]`` after all turns of steps taken before, with gradient.

        Parameters
        ----------
        messages
            What was heard, ``[S, N, d]``; gets no gradient.
        steps
            One an exchange.
        layout
            Where the turns lie.
        """
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        states: Tensor = _Again.apply(messages, *weights, steps, layout)
        return states


class _Again(torch.autograd.Function):
    """The states of steps that are known: forward gives them back."""

    @staticmethod
    def forward(
        ctx: Any,
        messages: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
        steps: list[Step],
        layout: Layout,
    ) -> Tensor:
        before, after, gates, new, recalled = (torch.cat(column, 1) for column in zip(*steps, strict=True))
        ctx.save_for_backward(messages, weight_hh, before, gates, new, recalled)
        ctx.layout = layout
        return after

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        messages, weight_hh, before, gates, new, recalled = ctx.saved_tensors
        reset, update = gates.chunk(2, -1)
        # What the gradient of a state is multiplied by on its way to each sum under a gate, turn by turn.
        to_new = (1 - update) * (1 - new * new)
        to_update = (before - new) * update * (1 - update)
        to_reset = to_new * recalled * reset * (1 - reset)
        slopes = torch.cat([to_reset, to_update, to_new * reset], -1)
        by_state = _through_time(grads[0], slopes, update, weight_hh, ctx.layout)
        by_held = slopes * by_state.repeat(1, 1, 3)
        width = 2 * new.shape[-1]
        by_heard = torch.cat([by_held[..., :width], to_new * by_state], -1)
        return (
            None,
            torch.bmm(by_heard.mT, messages),
            torch.bmm(by_held.mT, before),
            by_heard.sum(1),
            by_held.sum(1),
            None,
            None,
        )


def _through_time(grad: Tensor, slopes: Tensor, update: Tensor, weight_hh: Tensor, layout: Layout) -> Tensor:
    """Return the whole gradient of each turn's state, ``[S, N, H]``: its own and what comes from later turns."""
    total = grad.clone()
    ends = torch.tensor(layout.sizes).cumsum(0).tolist()
    for exchange in range(len(ends) - 1, 0, -1):
        turns = slice(ends[exchange - 1], ends[exchange])
        own = total[:, turns]
        back = torch.baddbmm(own * update[:, turns], slopes[:, turns] * own.repeat(1, 1, 3), weight_hh)
        earlier = slice(turns.start - layout.sizes[exchange - 1], turns.start)
        if layout.full:
            total[:, earlier] += back
        else:
            places = layout.before[:, turns.start - layout.batch : turns.stop - layout.batch]
            for place, one in enumerate(places):
                total[place].index_add_(0, one, back[place])
    return total
