"""Scores of all pairs of states and descriptions, computed in blocks to bound memory."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from parley.game.layers import linear

BLOCK = 1 << 19
"""Elements in memory at once on a CPU: 2 MiB in float32, about the size of a core's cache."""
BLOCK_ON_GPU = 1 << 27
"""The same on a GPU, where larger blocks are faster."""


def pair_scores(states: Tensor, descriptions: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return w·relu(state + description) + b for every pair.

    Parameters
    ----------
    states
        ``[S, M, H]``: the states' half of the pre-activation.
    descriptions
        ``[S, D, H]``: the descriptions' half.
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
    """Computes the pairs in blocks of descriptions, in the forward pass and again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, descriptions: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(states, descriptions, weight)
        blocks = _blocks(states, descriptions)
        scores = [linear(_hidden(states, descriptions[:, block]), weight, bias)[..., 0] for block in blocks]
        return torch.cat(scores, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        states, descriptions, weight = ctx.saved_tensors
        (grad,) = grads
        grad_states, grad_weight, grad_descriptions = torch.zeros_like(states), torch.zeros_like(weight), []
        for block in _blocks(states, descriptions):
            part = grad[..., block]
            hidden = _hidden(states, descriptions[:, block])
            grad_weight += torch.bmm(part.flatten(1)[:, None], hidden.flatten(1, 2))
            under = part[..., None] * (hidden > 0)
            grad_states += under.sum(2)
            grad_descriptions.append(under.sum(1))
        return grad_states * weight, torch.cat(grad_descriptions, 1) * weight, grad_weight, grad.sum((1, 2))[:, None]


def _hidden(states: Tensor, descriptions: Tensor) -> Tensor:
    return (states[:, :, None] + descriptions[:, None]).relu_()


def _blocks(states: Tensor, descriptions: Tensor) -> Iterator[slice]:
    elements = BLOCK_ON_GPU if states.is_cuda else BLOCK
    size = max(elements // states.numel(), 1)
    for start in range(0, descriptions.shape[1], size):
        yield slice(start, start + size)
