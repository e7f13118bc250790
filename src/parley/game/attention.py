"""Additive attention, shared by the Sender's eyes and the Receiver's reading."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from parley.game.layers import Linear, linear
from parley.game.turns import Layout, pick

BLOCK = 1 << 17
"""Numbers that are worked on at once on a CPU: half a megabyte in float32, within a core's own cache."""


class Glance(NamedTuple):
    """What one exchange's attention came to; kept so that learning need not compute it again."""

    hidden: Tensor
    """``[S, M, items, hidden]``: σ(2x), of which tanh x is 2σ(2x) − 1, for what lies under the energies."""
    energies: Tensor
    """``[S, M, items]``."""


class AdditiveAttention(nn.Module):
    """Weights over items given a query: softmax of v·tanh(W_item·item + Σ W_query·query) + b.

    On a CPU a sigmoid takes a third of a tanh's time, and the tanh was a fifth of a training step; so tanh x
    is had as 2σ(2x) − 1, and the energy as 2v·σ(2x) + b − Σv.

    Parameters
    ----------
    seeds
        How many (S).
    item_size
        Width of an item.
    query_sizes
        Width of each query that is added.
    hidden_size
        Width of the layer under the tanh.
    """

    def __init__(self, seeds: int, item_size: int, query_sizes: list[int], hidden_size: int) -> None:
        super().__init__()
        self.item = Linear(seeds, item_size, hidden_size)
        self.queries = nn.ModuleList(Linear(seeds, size, hidden_size) for size in query_sizes)
        self.energy = Linear(seeds, hidden_size, 1)

    def glance(self, keys: Tensor, query: Tensor) -> Glance:
        """Return the energies of items.

        Parameters
        ----------
        keys
            ``self.item(items)``, ``[S, M, items, hidden]``, or with 1 for M where all look at the same items.
        query
            Sum of the projected queries, ``[S, M, hidden]``.
        """
        assert self.energy.bias is not None  # made with one
        weight, bias = 2 * self.energy.weight, self.energy.bias - self.energy.weight.sum(2)
        if torch.is_grad_enabled():
            hidden = (2 * (keys + query[:, :, None])).sigmoid()
            return Glance(hidden, linear(hidden, weight, bias)[..., 0])
        hidden = torch.empty(*query.shape[:2], *keys.shape[2:], dtype=query.dtype, device=query.device)
        energies = []
        for rows in blocks(hidden):
            of_rows = keys if keys.shape[1] == 1 else keys[:, rows]
            part = torch.add(of_rows, query[:, rows, None], out=hidden[:, rows]).mul_(2).sigmoid_()
            energies.append(linear(part, weight, bias)[..., 0])
        return Glance(hidden, torch.cat(energies, 1))

    def again(self, keys: Tensor, query: Tensor, glances: list[Glance], layout: Layout) -> Tensor:
        """Return the energies ``[S, N, items]`` of glances taken before, with gradient.

        Parameters
        ----------
        keys
            As `glance`'s, ``[S, B, items, hidden]`` or ``[S, 1, items, hidden]``.
        query
            ``[S, N, hidden]``, for the turns of the glances.
        glances
            One an exchange; the first exchanges of the layout may be without.
        layout
            Where the turns lie.
        """
        taken: Tensor = _Again.apply(keys, query, self.energy.weight, self.energy.bias, glances, layout)
        return taken


class _Again(torch.autograd.Function):
    """Energies v·tanh(key + query) + b whose values are known: forward gives them back.

    With h = σ(2(key + query)), tanh is 2h − 1 and its slope 4h(1 − h).
    """

    @staticmethod
    def forward(
        ctx: Any, keys: Tensor, query: Tensor, weight: Tensor, bias: Tensor, glances: list[Glance], layout: Layout
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.shape, ctx.layout = keys.shape, layout
        ctx.hidden = [glance.hidden for glance in glances]
        return torch.cat([glance.energies for glance in glances], 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        (weight,) = ctx.saved_tensors
        sizes = ctx.layout.sizes[-len(ctx.hidden) :]
        places = ctx.layout.rows[:, -sum(sizes) :].split(sizes, 1)
        by_key = grad.new_zeros(ctx.shape)
        by_query, by_weight = [], torch.zeros_like(weight)
        for hidden, part, rows in zip(ctx.hidden, grad.split(sizes, 1), places, strict=True):
            for block in blocks(hidden):
                under, by_one = hidden[:, block], part[:, block, :, None]
                said = under * by_one
                by_weight += said.sum((1, 2))[:, None]
                # What is the same for all, 4v, is multiplied in the end.
                slope = torch.addcmul(said, said, under, value=-1)
                by_query.append(slope.sum(2))
                _add_by_row(by_key, slope, rows[:, block], block if ctx.layout.full else None)
        by_key *= 4 * weight[:, :, None]
        by_bias = grad.sum((1, 2))[:, None]
        return by_key, torch.cat(by_query, 1) * (4 * weight), 2 * by_weight - by_bias[:, None], by_bias, None, None


def blocks(hidden: Tensor) -> Iterator[slice]:
    """Yield rows of ``[S, M, items, hidden]`` so few that what is made of them stays in a core's cache."""
    size = max(BLOCK * hidden.shape[1] // hidden.numel(), 1) if hidden.device.type == "cpu" else hidden.shape[1]
    for start in range(0, hidden.shape[1], size):
        yield slice(start, start + size)


def _add_by_row(total: Tensor, values: Tensor, rows: Tensor, block: slice | None) -> None:
    """Add values ``[S, M, ...]`` to the rows ``[S, M]`` of the total ``[S, B, ...]``, or of ``[S, 1, ...]`` to all.

    Where the rows are a block of neighbours, that is the quicker way to name them.
    """
    if total.shape[1] == 1:
        total += values.sum(1, keepdim=True)
    elif block is not None:
        total[:, block] += values
    else:
        for place, one in enumerate(rows):
            total[place].index_add_(0, one, values[place])


def attend(energies: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Return weights that sum to 1 over the last dimension's allowed items."""
    if allowed is not None:
        energies = energies.masked_fill(~allowed, -torch.inf)
    return energies.softmax(-1)


def rows_of(keys: Tensor, rows: Tensor) -> Tensor:
    """Return the keys of the given rows ``[S, M]``; those that all share stay as they are."""
    return keys if keys.shape[1] == 1 else pick(keys, rows)
