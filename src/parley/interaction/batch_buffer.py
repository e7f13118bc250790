"""Preallocated tensors for the results of a whole split, filled batch by batch."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class BatchBuffer:
    """Tensors of N images, allocated once and filled batch by batch.

    Concatenating a list of batches at the end would need twice the memory and fragment the allocator: for 17,000
    images and as many candidates, the small per-image metrics kept 6 GB of larger tensors from being freed.

    Parameters
    ----------
    images
        N.
    axes
        The image axis of each tensor.
    """

    def __init__(self, images: int, axes: Sequence[int]) -> None:
        self.images = images
        self.axes = axes
        self.tensors: list[Tensor] | None = None
        """One tensor for each of `axes`; None before the first batch."""

    def put(self, rows: Tensor, piece: Iterable[Tensor]) -> None:
        """Write a batch of B images at the positions `rows` ``[B]`` int64."""
        pairs = list(zip(self.axes, piece, strict=True))
        if self.tensors is None:
            self.tensors = [each.new_empty(self._shape(axis, each)) for axis, each in pairs]
        for whole, (axis, each) in zip(self.tensors, pairs, strict=True):
            whole.index_copy_(axis, rows, each)

    def _shape(self, axis: int, piece: Tensor) -> torch.Size:
        return torch.Size((*piece.shape[:axis], self.images, *piece.shape[axis + 1 :]))
