"""Layers batched over S seeds, so that one process trains several runs at once.

The first dimension of every parameter is the seed. A single run has S = 1.
"""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from parley.game.rng import generator


class Linear(nn.Module):
    """S linear layers of the same shape.

    Parameters
    ----------
    seeds
        Number of seeds (S).
    inputs, outputs
        Widths.
    bias
        Whether to add a bias.
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
    """Initialise matrices by Xavier's normal rule, vectors with zeros and learned codes from N(0, 1).

    Each seed gets the weights that it would get alone.
    """
    with torch.no_grad():
        for index, seed in enumerate(seeds):
            source = generator(seed, f"init {purpose}")
            for name, stacked in network.named_parameters():
                parameter = stacked[index]
                if name.endswith("code"):
                    nn.init.normal_(parameter, generator=source)
                elif parameter.dim() > 1:
                    nn.init.xavier_normal_(parameter, generator=source)
                else:
                    nn.init.zeros_(parameter)
    return network
