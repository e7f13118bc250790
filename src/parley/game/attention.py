"""Additive attention, shared by the Sender's eyes and the Receiver's reading."""

import torch
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """Weights over items given a query: softmax of v·tanh(W_item·item + Σ W_query·query).

    Parameters
    ----------
    item_size
        Width of an item.
    query_sizes
        Width of each query that is added.
    hidden_size
        Width of the layer under the tanh.
    """

    def __init__(self, item_size: int, query_sizes: list[int], hidden_size: int) -> None:
        super().__init__()
        self.item = nn.Linear(item_size, hidden_size)
        self.queries = nn.ModuleList(nn.Linear(size, hidden_size) for size in query_sizes)
        self.energy = nn.Linear(hidden_size, 1)

    def weights(self, keys: Tensor, query: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Return weights ``[..., items]`` that sum to 1 over the allowed items.

        Parameters
        ----------
        keys
            ``self.item(items)``, ``[..., items, hidden]``: computed once, used at every exchange.
        query
            Sum of the projected queries, broadcastable to ``[..., 1, hidden]``.
        allowed
            ``[..., items]`` bool; None where every item counts.
        """
        energies: Tensor = self.energy(torch.tanh(keys + query)).squeeze(-1)
        if allowed is not None:
            energies = energies.masked_fill(~allowed, -torch.inf)
        return energies.softmax(-1)
