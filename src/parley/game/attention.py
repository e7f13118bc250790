"""Additive attention, used by the Sender over the cells of a feature map and by the Receiver over words.

Shapes: S seeds, B dialogues in a batch, M of them in one exchange, N turns (one exchange of one dialogue each).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from parley.game.layers import Linear, linear, replay_linear
from parley.game.turns import PackedIndex

BLOCK = 1 << 17
"""Number of hidden activations computed at once on a CPU: 512 KiB in float32, which fits in one core's cache."""


class AttentionCache(NamedTuple):
    """Intermediate values of the attention in one exchange, stored so that learning need not recompute them."""

    hidden: Tensor
    """``[S, M, items, hidden]``: σ(2x), where x is the input of the tanh; tanh x = 2σ(2x) − 1."""
    energies: Tensor
    """``[S, M, items]``: attention energies, the input of the softmax."""


class AdditiveAttention(nn.Module):
    """Layer that computes the attention energy of each item, v·tanh(W_item·item + Σ W_query·query) + b.

    `attend` converts energies to weights. tanh x is computed as 2σ(2x) − 1, so the energy is 2v·σ(2x) + b − Σv: on a
    CPU, a sigmoid takes a third of the time of a tanh, which would take a fifth of a training step. Keys are doubled
    when they are computed, because 2x would otherwise take a pass over the largest tensor in every exchange.

    Parameters
    ----------
    seeds
        Number of seeds (S).
    item_size
        Width of an item.
    query_sizes
        Width of each query. The projections of all queries are added.
    hidden_size
        Width of the tanh layer.
    """

    def __init__(self, seeds: int, item_size: int, query_sizes: list[int], hidden_size: int) -> None:
        super().__init__()
        self.item = Linear(seeds, item_size, hidden_size)
        self.queries = nn.ModuleList(Linear(seeds, size, hidden_size) for size in query_sizes)
        self.energy = Linear(seeds, hidden_size, 1)

    def keys(self, items: Tensor) -> Tensor:
        """Return the keys of the items ``[S, ..., item_size]``: 2(W_item·item + b), ``[S, ..., hidden]``."""
        return linear(items, *self._doubled_item())

    def replay_keys(self, items: Tensor, keys: Tensor) -> Tensor:
        """Return the keys that a rollout has computed from the items, but with gradient to the weights."""
        return replay_linear(items, *self._doubled_item(), keys)

    def _doubled_item(self) -> tuple[Tensor, Tensor]:
        assert self.item.bias is not None  # The layer has a bias.
        return 2 * self.item.weight, 2 * self.item.bias

    def compute_energies(self, keys: Tensor, query: Tensor) -> AttentionCache:
        """Return the attention energies of the items and the hidden activations from which they are computed.

        Parameters
        ----------
        keys
            Results of `keys`: ``[S, M, items, hidden]``, or ``[S, 1, items, hidden]`` if all dialogues share them.
        query
            Sum of the projected queries, ``[S, M, hidden]``.
        """
        assert self.energy.bias is not None  # The layer has a bias.
        weight, bias = 2 * self.energy.weight, self.energy.bias - self.energy.weight.sum(2)
        query = 2 * query
        if torch.is_grad_enabled():
            hidden = (keys + query[:, :, None]).sigmoid()
            return AttentionCache(hidden, linear(hidden, weight, bias)[..., 0])
        hidden = torch.empty(*query.shape[:2], *keys.shape[2:], dtype=query.dtype, device=query.device)
        energies = []
        for rows in row_blocks(hidden):
            block_keys = keys if keys.shape[1] == 1 else keys[:, rows]
            block = torch.add(block_keys, query[:, rows, None], out=hidden[:, rows]).sigmoid_()
            energies.append(linear(block, weight, bias)[..., 0])
        return AttentionCache(hidden, torch.cat(energies, 1))

    def replay_with_grad(
        self, keys: Tensor, query: Tensor, caches: list[AttentionCache], packed: PackedIndex
    ) -> Tensor:
        """Return the energies of all N turns from the caches, ``[S, N, items]``, with gradient.

        Parameters
        ----------
        keys
            Results of `keys`: ``[S, B, items, hidden]``, or ``[S, 1, items, hidden]`` if all dialogues share them.
        query
            Sum of the projected queries in each turn, ``[S, N, hidden]``.
        caches
            Results of `compute_energies`, one per exchange.
        packed
            Exchange and dialogue of each turn.
        """
        energies: Tensor = _ReplayEnergies.apply(keys, query, self.energy.weight, self.energy.bias, caches, packed)
        return energies


class _ReplayEnergies(torch.autograd.Function):
    """Autograd function of `replay_with_grad`: forward returns the cached energies, backward computes their gradient.

    The energy is 2v·h + b − Σv, where h = σ(key + 2·query), so its derivative with respect to the key is 2v·h(1 − h).
    """

    @staticmethod
    def forward(
        ctx: Any,
        keys: Tensor,
        query: Tensor,
        weight: Tensor,
        bias: Tensor,
        caches: list[AttentionCache],
        packed: PackedIndex,
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.shape, ctx.packed = keys.shape, packed
        ctx.hidden = [cache.hidden for cache in caches]
        return torch.cat([cache.energies for cache in caches], 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        (weight,) = ctx.saved_tensors
        sizes = ctx.packed.sizes
        rows_by_exchange = ctx.packed.rows.split(sizes, 1)
        grad_keys = grad.new_zeros(ctx.shape)
        query_blocks, grad_weight = [], torch.zeros_like(weight)
        for hidden, part, rows in zip(ctx.hidden, grad.split(sizes, 1), rows_by_exchange, strict=True):
            for block in row_blocks(hidden):
                block_hidden, block_grad = hidden[:, block], part[:, block, :, None]
                scaled = block_hidden * block_grad
                grad_weight += scaled.sum((1, 2))[:, None]
                # h(1 − h) · grad. The other factor of the energy's derivative, 2v, multiplies the sums after the loop.
                slope = torch.addcmul(scaled, scaled, block_hidden, value=-1)
                query_blocks.append(slope.sum(2))
                _add_by_row(grad_keys, slope, rows[:, block], block if ctx.packed.full else None)
        grad_keys *= 2 * weight[:, :, None]
        grad_bias = grad.sum((1, 2))[:, None]
        grad_query = torch.cat(query_blocks, 1) * (4 * weight)
        return grad_keys, grad_query, 2 * grad_weight - grad_bias[:, None], grad_bias, None, None


def row_blocks(hidden: Tensor) -> Iterator[slice]:
    """Yield slices of the axis M of ``[S, M, items, hidden]`` that fit into a CPU core's cache; on a GPU, one slice."""
    size = max(BLOCK * hidden.shape[1] // hidden.numel(), 1) if hidden.device.type == "cpu" else hidden.shape[1]
    for start in range(0, hidden.shape[1], size):
        yield slice(start, start + size)


def _add_by_row(total: Tensor, values: Tensor, rows: Tensor, block: slice | None) -> None:
    """Add values ``[S, M, ...]`` to `total` ``[S, B, ...]`` at row indices ``[S, M]``; if B is 1, add all to that row.

    If the rows are consecutive, `block` is the slice that selects them, with which adding is faster; otherwise None.
    """
    if total.shape[1] == 1:
        total += values.sum(1, keepdim=True)
    elif block is not None:
        total[:, block] += values
    else:
        for seed, seed_rows in enumerate(rows):
            total[seed].index_add_(0, seed_rows, values[seed])


def attend(energies: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Return the attention weights: the softmax of the energies over the last dimension; 0 where `allowed` is false."""
    if allowed is not None:
        energies = energies.masked_fill(~allowed, -torch.inf)
    return energies.softmax(-1)
