"""The turns of a batch of dialogues, packed along one dimension of length N without those dropped as finished.

A turn is one exchange of one dialogue. The turns are concatenated exchange by exchange, so that any computation that
does not depend on the previous turn is done for all turns at once. If one of the S seeds has fewer unfinished dialogues
in an exchange than another, it is padded with turns whose mask is 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class PackedIndex(NamedTuple):
    """Exchange, dialogue, previous turn and mask of each of the N turns, and the last turn of each dialogue."""

    sizes: list[int]
    """Number of turns of each exchange; they sum to N."""
    rows: Tensor
    """``[S, N]`` int64: row of each turn's dialogue in the batch."""
    previous: Tensor
    """``[S, N − B]`` int64: for each turn after the first exchange, the position of the dialogue's previous turn."""
    mask: Tensor
    """``[S, N]``: 1 if the dialogue is still active in the turn, else 0."""
    last: Tensor
    """``[S, B]`` int64: position of each dialogue's last active turn."""
    full: bool
    """Whether every exchange contains all B dialogues, in the order of the batch."""

    @property
    def batch(self) -> int:
        """Number of dialogues in the batch (B)."""
        return self.sizes[0]

    def one_hot_exchanges(self, mask: Tensor) -> Tensor:
        """Return the exchange of each turn as a one-hot vector, ``[N, T]``, with the dtype and device of `mask`.

        Multiplying values of the turns, ``[S, N]``, by this matrix sums them over each exchange: ``[S, T]``.
        """
        if self.full:
            numbers = torch.arange(self.rows.shape[1], device=mask.device) // self.batch
            return (numbers[:, None] == torch.arange(len(self.sizes), device=mask.device)).to(mask.dtype)
        lengths = torch.tensor(self.sizes)
        return torch.repeat_interleave(torch.eye(len(lengths)), lengths, 0).to(mask)

    def add_at_previous(self, total: Tensor, turns: slice, values: Tensor) -> None:
        """Add values ``[S, M, ...]`` of M turns to those of each turn's previous turn in `total`, ``[S, N, ...]``."""
        previous = self.previous[:, turns.start - self.batch : turns.stop - self.batch]
        for seed, positions in enumerate(previous):
            total[seed].index_add_(0, positions, values[seed])

    def after_first(self) -> "PackedIndex":
        """Return the index of the turns after the first exchange, for the dialogues that have a second exchange.

        Its rows are positions among the dialogues of the second exchange. The turns keep their order.
        """
        sizes, dialogues = self.sizes[1:], self.rows[:, self.batch : self.batch + self.sizes[1]]
        mask, full = self.mask[:, self.batch :], len(set(sizes)) == 1
        positions = torch.arange(sizes[0], device=self.rows.device).expand_as(dialogues)
        if full:
            rows = positions.repeat(1, len(sizes))
        else:
            of_row = torch.zeros_like(self.rows[:, : self.batch]).scatter_(1, dialogues, positions)
            rows = of_row.gather(1, self.rows[:, self.batch :])
        previous = self.previous[:, sizes[0] :] - self.batch
        last = (self.last - self.batch).clamp(min=0).gather(1, dialogues)
        return PackedIndex(sizes, rows, previous, mask, last, full)

    def by_dialogue(self, values: Tensor) -> Tensor:
        """Arrange values of the turns, ``[S, N, K]``, as ``[S, B, T, K]``.

        Missing turns are filled with zeros. If `full`, nothing is copied from the CPU to the device.
        """
        seeds, _, width = values.shape
        if self.full:
            by_exchange: Tensor = values.unflatten(1, (len(self.sizes), self.batch))
            return by_exchange.transpose(1, 2).contiguous()
        grid = values.new_zeros(seeds, self.batch * len(self.sizes), width)
        cells = self._grid_cells()[..., None].expand_as(values)
        return grid.scatter(1, cells, values).view(seeds, self.batch, len(self.sizes), width)

    def by_turn(self, values: Tensor) -> Tensor:
        """Invert `by_dialogue`: return values ``[S, N, K]`` given ``[S, B, T, K]``."""
        return values.transpose(1, 2).flatten(1, 2) if self.full else pick(values.flatten(1, 2), self._grid_cells())

    def _grid_cells(self) -> Tensor:
        """Return, for each turn, its index in a flat grid ``[B, T]``: ``[S, N]``."""
        sizes = torch.tensor(self.sizes)
        exchanges = torch.repeat_interleave(torch.arange(len(sizes)), sizes).to(self.rows.device)
        return self.rows * len(sizes) + exchanges

    def repeat_per_turn(self, values: Tensor) -> Tensor:
        """Repeat the values of each dialogue, ``[S, B, ...]``, for all of its turns: ``[S, N, ...]``."""
        if self.full:
            return values.repeat(1, len(self.sizes), *[1] * (values.dim() - 2))
        return pick(values, self.rows)

    def add_per_dialogue_(self, values: Tensor, of_dialogues: Tensor) -> None:
        """Add to the values of each turn, ``[S, N, ...]``, in place, the values of its dialogue, ``[S, B, ...]``."""
        if self.full:
            values.unflatten(1, (len(self.sizes), self.batch)).add_(of_dialogues[:, None])
        else:
            values.add_(pick(of_dialogues, self.rows))

    def sum_per_dialogue(self, values: Tensor) -> Tensor:
        """Sum the values of each dialogue's turns: return ``[S, B, ...]`` given ``[S, N, ...]``."""
        if self.full:
            by_exchange: Tensor = values.unflatten(1, (len(self.sizes), self.batch))
            return by_exchange.sum(1)
        total = values.new_zeros(len(values), self.batch, *values.shape[2:])
        for of_seed, rows, own in zip(total, self.rows, values, strict=True):
            of_seed.index_add_(0, rows, own)
        return total


def pick(values: Tensor, rows: Tensor) -> Tensor:
    """Select the rows ``[S, M]`` of values ``[S, B, ...]``: return ``values[s, rows[s]]`` for each seed s."""
    return pick_each([values], rows)[0]


def pick_each(values: Sequence[Tensor], rows: Tensor) -> list[Tensor]:
    """Select the same rows ``[S, M]`` of several tensors ``[S, B, ...]``, as `pick` does of one."""
    seeds, length = values[0].shape[:2]
    if seeds == 1:
        return [own[0].index_select(0, rows[0])[None] for own in values]
    flat = (rows + length * torch.arange(seeds, device=rows.device)[:, None]).flatten()
    found = [own.flatten(0, 1).index_select(0, flat) for own in values]
    return [own.view(*rows.shape, *own.shape[1:]) for own in found]


def active_indices(active: Tensor) -> Tensor | None:
    """Return the indices ``[S, M]`` of the dialogues to keep in the batch, given whether each is active ``[S, B]``.

    M is the largest number of active dialogues of a seed. The result is None if fewer than a quarter can be removed,
    because removing dialogues requires copying the others.
    """
    most = int(active.sum(1).max())
    if most > 0.75 * active.shape[1]:
        return None
    # The first sort moves active dialogues to the front; the second restores their order.
    return active.sort(dim=1, descending=True, stable=True).indices[:, :most].sort(1).values
