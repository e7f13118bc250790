"""Additive attention, shared by the Sender's eyes and the Receiver's reading."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from parley.game.layers import Linear, linear
from parley.game.turns import Layout, pick


class Glance(NamedTuple):
    """What one exchange's attention came to; kept so that learning need not compute it again."""

    hidden: Tensor
    """``[S, M, items, hidden]``: what lies under the energies."""
    energies: Tensor
    """``[S, M, items]``."""


class AdditiveAttention(nn.Module):
    """Weights over items given a query: softmax of v·tanh(W_item·item + Σ W_query·query).

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
        hidden = torch.tanh(keys + query[:, :, None])
        return Glance(hidden, linear(hidden, self.energy.weight, self.energy.bias)[..., 0])

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
    """Energies v·tanh(key + query) + b whose values are known: forward gives them back."""

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
            by_weight += torch.bmm(part.flatten(1)[:, None], hidden.flatten(1, 2))
            # d tanh = 1 − tanh², and v, the same for all, is multiplied in the end.
            slope = torch.addcmul(part[..., None], hidden * part[..., None], hidden, value=-1)
            by_query.append(slope.sum(2))
            _add_by_row(by_key, slope, rows, ctx.layout.full)
        return (
            by_key.mul_(weight[:, :, None]),
            torch.cat(by_query, 1) * weight,
            by_weight,
            grad.sum((1, 2))[:, None],
            None,
            None,
        )


def _add_by_row(total: Tensor, values: Tensor, rows: Tensor, full: bool) -> None:
    """Add values ``[S, M, ...]`` to the rows ``[S, M]`` of the total ``[S, B, ...]``, or of ``[S, 1, ...]`` to all."""
    if total.shape[1] == 1:
        total += values.sum(1, keepdim=True)
    elif full:
        total += values
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
