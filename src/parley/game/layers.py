"""Layers that stand S times side by side, one a seed, so that many runs share one process.

Every parameter has the seeds as its first dimension. A run alone is the case of one seed.
"""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from parley.game.rng import generator


class Linear(nn.Module):
    """S linear layers of one shape.

    Parameters
    ----------
    seeds
        How many (S).
    inputs, outputs
        Widths.
    bias
        Whether a bias is added.
    """

    def __init__(self, seeds: int, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(seeds, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(seeds, outputs)) if bias else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``[S, ..., outputs]`` from ``[S, ..., inputs]``."""
        return linear(inputs, self.weight, self.bias)


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply weights ``[S, outputs, inputs]`` and biases ``[S, outputs]`` to inputs ``[S, ..., inputs]``."""
    rows = inputs.flatten(1, -2) if inputs.dim() != 3 else inputs
    found = torch.bmm(rows, weight.mT) if bias is None else torch.baddbmm(bias[:, None], rows, weight.mT)
    return found if inputs.dim() == 3 else found.view(*inputs.shape[:-1], weight.shape[1])


Network = TypeVar("Network", bound=nn.Module)


def initialise(network: Network, seeds: Sequence[int], purpose: str) -> Network:
    """Draw matrices by Xavier's normal rule, vectors as zero, and free codes from N(0, 1), seed by seed.

    Each seed's weights are those that it would have alone.
    """
    with torch.no_grad():
        for place, seed in enumerate(seeds):
            source = generator(seed, f"init {purpose}")
            for name, stacked in network.named_parameters():
                parameter = stacked[place]
                if name.endswith("code"):
                    nn.init.normal_(parameter, generator=source)
                elif parameter.dim() > 1:
                    nn.init.xavier_normal_(parameter, generator=source)
                else:
                    nn.init.zeros_(parameter)
    return network
