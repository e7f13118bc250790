"""Scores of every pair of a state and a description, without ever holding all pairs."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from parley.game.layers import linear

BLOCK = 1 << 19
"""Numbers that are held at once on a CPU: 2 MB in float32, about what a core's cache holds."""
BLOCK_ON_GPU = 1 << 27
"""The same elsewhere, where a larger block is worth more than a cache."""


def pair_scores(states: Tensor, descriptions: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return w·relu(state + description) + b for every pair.

    Parameters
    ----------
    states
        ``[S, M, H]``, the states' half of the layer under the relu.
    descriptions
        ``[S, D, H]``, the descriptions' half.
    weight, bias
        ``[S, 1, H]`` and ``[S, 1]``.

    Returns
    -------
    Tensor
        ``[S, M, D]``.
    """
    scores: Tensor = _Pairs.apply(states, descriptions, weight, bias)
    return scores


class _Pairs(torch.autograd.Function):
    """Goes through the pairs in blocks of descriptions, forward and once more backward."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, descriptions: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(states, descriptions, weight)
        blocks = _blocks(states, descriptions)
        found = [linear(_hidden(states, descriptions[:, block]), weight, bias)[..., 0] for block in blocks]
        return torch.cat(found, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        states, descriptions, weight = ctx.saved_tensors
        (grad,) = grads
        by_state, by_weight, by_description = torch.zeros_like(states), torch.zeros_like(weight), []
        for block in _blocks(states, descriptions):
            part = grad[..., block]
            hidden = _hidden(states, descriptions[:, block])
            by_weight += torch.bmm(part.flatten(1)[:, None], hidden.flatten(1, 2))
            under = part[..., None] * (hidden > 0)
            by_state += under.sum(2)
            by_description.append(under.sum(1))
        return by_state * weight, torch.cat(by_description, 1) * weight, by_weight, grad.sum((1, 2))[:, None]


def _hidden(states: Tensor, descriptions: Tensor) -> Tensor:
    return (states[:, :, None] + descriptions[:, None]).relu_()


def _blocks(states: Tensor, descriptions: Tensor) -> Iterator[slice]:
    held = BLOCK_ON_GPU if states.is_cuda else BLOCK
    size = max(held // states.numel(), 1)
    for start in range(0, descriptions.shape[1], size):
        yield slice(start, start + size)
