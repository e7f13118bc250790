"""Who is still talking: the turns of a batch, exchange after exchange, packed without those that have ended.

A turn is an exchange of one dialogue. Turns are packed exchange by exchange along one dimension of length
N, so that what does not depend on the turn before is computed for all of them at once. Of S seeds some may
have fewer dialogues left than others; their places are filled with turns that count nothing (mask 0).
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Layout(NamedTuple):
    """Where each turn lies."""

    sizes: list[int]
    """Turns of each exchange; they add up to N."""
    rows: Tensor
    """``[S, N]`` int64: the dialogue, its row in the batch."""
    before: Tensor
    """``[S, N − B]`` int64: for every turn after the first exchange, the place of the same dialogue's turn before."""
    mask: Tensor
    """``[S, N]``: 1 where the dialogue was still on."""
    last: Tensor
    """``[S, B]`` int64: the place of each dialogue's last turn."""
    full: bool
    """Whether every exchange has all B dialogues in their order."""

    @property
    def batch(self) -> int:
        """Number of dialogues (B)."""
        return self.sizes[0]

    def exchanges(self, mask: Tensor) -> Tensor:
        """Return ``[N, T]``: 1 where a turn is of an exchange; sums over exchanges are products with it."""
        if self.full:
            numbers = torch.arange(self.rows.shape[1], device=mask.device) // self.batch
            return (numbers[:, None] == torch.arange(len(self.sizes), device=mask.device)).to(mask.dtype)
        lengths = torch.tensor(self.sizes)
        return torch.repeat_interleave(torch.eye(len(lengths)), lengths, 0).to(mask)

    def by_dialogue(self, values: Tensor) -> Tensor:
        """Lay out what belongs to the turns after the first exchange, ``[S, N − B, K]``, as ``[S, B, T − 1, K]``.

        Turns that were not gone through are zeros. Where all were, nothing is read from the CPU.
        """
        seeds, _, width = values.shape
        if self.full:
            by_exchange: Tensor = values.unflatten(1, (len(self.sizes) - 1, self.batch))
            return by_exchange.transpose(1, 2).contiguous()
        grid = values.new_zeros(seeds, self.batch * (len(self.sizes) - 1), width)
        places = self._slots()[..., None].expand_as(values)
        return grid.scatter(1, places, values).view(seeds, self.batch, len(self.sizes) - 1, width)

    def by_turn(self, values: Tensor) -> Tensor:
        """Undo `by_dialogue`: ``[S, N − B, K]`` from ``[S, B, T − 1, K]``."""
        return values.transpose(1, 2).flatten(1, 2) if self.full else pick(values.flatten(1, 2), self._slots())

    def _slots(self) -> Tensor:
        """Return the place ``[S, N − B]`` of each later turn in a table of dialogues and exchanges."""
        later = self.sizes[1:]
        exchanges = torch.repeat_interleave(torch.arange(len(later)), torch.tensor(later)).to(self.rows.device)
        return self.rows[:, self.batch :] * len(later) + exchanges

    def spread(self, values: Tensor) -> Tensor:
        """Give each turn ``[S, N, ...]`` what belongs to its dialogue, ``[S, B, ...]``."""
        if self.full:
            return values.repeat(1, len(self.sizes), *[1] * (values.dim() - 2))
        return pick(values, self.rows)

    def plus_spread(self, values: Tensor, of_dialogues: Tensor) -> Tensor:
        """Add to values ``[S, N, ...]`` what belongs to each turn's dialogue, ``[S, B, ...]``."""
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


def who_stays(active: Tensor) -> Tensor | None:
    """Return the places ``[S, M]`` to go on with, of dialogues that are on ``[S, B]``, or None to go on with all.

    Leaving costs a copy of all that goes on, so nobody leaves before a quarter would.
    """
    most = int(active.sum(1).max())
    if most > 0.75 * active.shape[1]:
        return None
    # Those that are on first, in their order.
    return active.sort(dim=1, descending=True, stable=True).indices[:, :most].sort(1).values
