"""Index of the turns of a batch of dialogues, packed so that finished dialogues take no space.

A turn is one exchange of one dialogue. The turns of all exchanges lie behind each other along one dimension of
length N, exchange by exchange, so that everything that does not depend on the previous turn is computed for all
turns at once. With S seeds, some seeds may have fewer unfinished dialogues than others; their rows are padded with
turns whose mask is 0.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class PackedIndex(NamedTuple):
    """Position of each turn along the packed dimension."""

    sizes: list[int]
    """Number of turns of each exchange; they sum to N."""
    rows: Tensor
    """``[S, N]`` int64: the turn's dialogue, as its row in the batch."""
    previous: Tensor
    """``[S, N − B]`` int64: for every turn after the first exchange, the position of its dialogue's previous turn."""
    mask: Tensor
    """``[S, N]``: 1 where the dialogue was still active."""
    last: Tensor
    """``[S, B]`` int64: the position of each dialogue's last turn."""
    full: bool
    """Whether every exchange has all B dialogues, in their order."""

    @property
    def batch(self) -> int:
        """Number of dialogues (B)."""
        return self.sizes[0]

    def one_hot_exchanges(self, mask: Tensor) -> Tensor:
        """Return ``[N, T]``, 1 where a turn belongs to an exchange: multiplying by it sums over each exchange.

        Device and dtype are those of `mask`.
        """
        if self.full:
            numbers = torch.arange(self.rows.shape[1], device=mask.device) // self.batch
            return (numbers[:, None] == torch.arange(len(self.sizes), device=mask.device)).to(mask.dtype)
        lengths = torch.tensor(self.sizes)
        return torch.repeat_interleave(torch.eye(len(lengths)), lengths, 0).to(mask)

    def by_dialogue(self, values: Tensor) -> Tensor:
        """Arrange values of the turns after the first exchange, ``[S, N − B, K]``, as ``[S, B, T − 1, K]``.

        Missing turns are zeros. If every exchange is full, nothing is copied from the CPU.
        """
        seeds, _, width = values.shape
        if self.full:
            by_exchange: Tensor = values.unflatten(1, (len(self.sizes) - 1, self.batch))
            return by_exchange.transpose(1, 2).contiguous()
        grid = values.new_zeros(seeds, self.batch * (len(self.sizes) - 1), width)
        cells = self._grid_cells()[..., None].expand_as(values)
        return grid.scatter(1, cells, values).view(seeds, self.batch, len(self.sizes) - 1, width)

    def by_turn(self, values: Tensor) -> Tensor:
        """Undo `by_dialogue`: ``[S, N − B, K]`` from ``[S, B, T − 1, K]``."""
        return values.transpose(1, 2).flatten(1, 2) if self.full else pick(values.flatten(1, 2), self._grid_cells())

    def _grid_cells(self) -> Tensor:
        """Return the cell ``[S, N − B]`` of each later turn in a grid of dialogues and exchanges."""
        later = self.sizes[1:]
        exchanges = torch.repeat_interleave(torch.arange(len(later)), torch.tensor(later)).to(self.rows.device)
        return self.rows[:, self.batch :] * len(later) + exchanges

    def repeat_per_turn(self, values: Tensor) -> Tensor:
        """Repeat each dialogue's values ``[S, B, ...]`` for all of its turns, ``[S, N, ...]``."""
        if self.full:
            return values.repeat(1, len(self.sizes), *[1] * (values.dim() - 2))
        return pick(values, self.rows)

    def add_per_dialogue(self, values: Tensor, of_dialogues: Tensor) -> Tensor:
        """Add each dialogue's values ``[S, B, ...]`` to those of its turns, ``[S, N, ...]``."""
        if not self.full:
            return values + pick(of_dialogues, self.rows)
        by_exchange: Tensor = values.unflatten(1, (len(self.sizes), self.batch))
        return (by_exchange + of_dialogues[:, None]).flatten(1, 2)


def pick(values: Tensor, rows: Tensor) -> Tensor:
    """Return ``values[s, rows[s]]``: ``[S, M, ...]`` from values ``[S, B, ...]`` and rows ``[S, M]``."""
    seeds, length = values.shape[:2]
    if seeds == 1:
        return values[0].index_select(0, rows[0])[None]
    flat = rows + length * torch.arange(seeds, device=rows.device)[:, None]
    found: Tensor = values.flatten(0, 1).index_select(0, flat.flatten())
    return found.view(*rows.shape, *values.shape[2:])


def active_indices(active: Tensor) -> Tensor | None:
    """Return the indices ``[S, M]`` of the dialogues to continue, given which are active ``[S, B]``.

    Returns None to continue with all of them: removing dialogues copies the rest, which pays off only if at least a
    quarter is removed.
    """
    most = int(active.sum(1).max())
    if most > 0.75 * active.shape[1]:
        return None
    # Active ones first, then back into their original order.
    return active.sort(dim=1, descending=True, stable=True).indices[:, :most].sort(1).values
