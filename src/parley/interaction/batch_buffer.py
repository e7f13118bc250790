"""Tensors of a whole part of images, put together batch by batch."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class Whole:
    """Tensors of N images in room that is made once.

    Pieces that are kept until they can be joined are there twice while they are; and small ones lie among larger ones
    of their batches, whose memory could then not be given back: what is counted of a part of 17,000 images and as many
    candidates came to take 6 GB.

    Parameters
    ----------
    images
        N.
    axes
        Which axis of each tensor is that of the images.
    """

    def __init__(self, images: int, axes: Sequence[int]) -> None:
        self.images = images
        self.axes = axes
        self.tensors: list[Tensor] | None = None
        """One an axis; None before the first batch."""

    def put(self, rows: Tensor, piece: Iterable[Tensor]) -> None:
        """Put a batch of B images in: `rows` ``[B]`` int64 are its places among the N."""
        pairs = list(zip(self.axes, piece, strict=True))
        if self.tensors is None:
            self.tensors = [each.new_empty(self._shape(axis, each)) for axis, each in pairs]
        for whole, (axis, each) in zip(self.tensors, pairs, strict=True):
            whole.index_copy_(axis, rows, each)

    def _shape(self, axis: int, piece: Tensor) -> torch.Size:
        return torch.Size((*piece.shape[:axis], self.images, *piece.shape[axis + 1 :]))
