"""Read the rows of a layer (one per image) in batches, from memory if the layer fits and otherwise from the file.

Rows are kept in their stored type, and only the rows of a batch are converted to float32: in half precision, the
8 x 8 x 512 maps of 33,000 images already take 2.2 GB.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.features.storage import not_finite

IN_MEMORY_BYTES = 3 << 30
"""Size of the largest layer that is read into memory. With 3 GiB, a training run needs less than 8 GB."""
READ_AT_ONCE_BYTES = 64 << 20
"""Approximate size, as float32, of the blocks that `Rows.pieces` yields."""


class Rows(ABC):
    """Rows of a layer, which are the features of N images.

    Attributes
    ----------
    shape
        Shape of the layer, ``(N, *row)``, where ``row`` is the shape of one row.
    """

    shape: tuple[int, ...]

    @abstractmethod
    def take(self, rows: Tensor) -> Tensor:
        """Return the rows as float32 ``[..., *row]``, given their indices in a tensor ``[...]`` of any shape."""

    def __len__(self) -> int:
        return self.shape[0]

    def pieces(self) -> Iterator[Tensor]:
        """Yield all rows in order, in blocks of about `READ_AT_ONCE_BYTES`."""
        row_bytes = 4 * int(np.prod(self.shape[1:]))
        for rows in torch.arange(len(self)).split(max(READ_AT_ONCE_BYTES // row_bytes, 1)):
            yield self.take(rows)


class InMemory(Rows):
    """Rows in memory, in their stored type."""

    def __init__(self, values: Tensor) -> None:
        self.values, self.shape = values, tuple(values.shape)

    def take(self, rows: Tensor) -> Tensor:
        """Return the rows with the given indices."""
        found: Tensor = self.values[rows]
        return found.float()


class OnDisk(Rows):
    """Rows memory-mapped from the HDF5 file; the operating system caches them."""

    def __init__(self, path: str | Path, dataset: h5py.Dataset, row_shape: tuple[int, ...]) -> None:
        self.shape, self.dtype = (len(dataset), *row_shape), dataset.dtype
        self.offsets = _offsets(dataset)
        self.bytes = np.memmap(path, np.uint8, "r")
        self.row_bytes = int(np.prod(row_shape)) * self.dtype.itemsize

    def take(self, rows: Tensor) -> Tensor:
        """Return the rows with the given indices."""
        found = np.empty((rows.numel(), *self.shape[1:]), np.float32)
        for index, row in enumerate(rows.flatten().tolist()):
            start = self.offsets[row]
            found[index] = self.bytes[start : start + self.row_bytes].view(self.dtype).reshape(self.shape[1:])
        return torch.from_numpy(found).view(*rows.shape, *self.shape[1:])


class Read(Rows):
    """Rows read with h5py on demand, for datasets that cannot be memory-mapped, such as virtual datasets."""

    def __init__(self, path: str | Path, name: str, row_shape: tuple[int, ...]) -> None:
        self.file = h5py.File(path, "r")
        self.dataset = self.file[name]
        self.shape = (len(self.dataset), *row_shape)

    def take(self, rows: Tensor) -> Tensor:
        """Return the rows with the given indices."""
        wanted, back = np.unique(rows.flatten().numpy(), return_inverse=True)
        found = np.asarray(self.dataset[wanted], np.float32).reshape(-1, *self.shape[1:])
        return torch.from_numpy(found[back]).view(*rows.shape, *self.shape[1:])


def open_rows(path: str | Path, dataset: h5py.Dataset, row_shape: tuple[int, ...]) -> Rows:
    """Open the rows of a layer; read them into memory if they take at most `IN_MEMORY_BYTES`.

    Parameters
    ----------
    path
        Path of the HDF5 file.
    dataset
        Dataset of the layer.
    row_shape
        Shape of one row, without a leading axis of length 1.

    Raises
    ------
    ParleyError
        If the layer contains infinite values or NaN.
    """
    rows: Rows
    if dataset.size * dataset.dtype.itemsize <= IN_MEMORY_BYTES:
        kind = dataset.dtype if dataset.dtype.itemsize in (2, 4) else np.dtype(np.float32)
        values = dataset.astype(kind.newbyteorder("="))[:]
        rows = InMemory(torch.from_numpy(values).reshape(len(values), *row_shape))
    elif _can_be_mapped(dataset):
        rows = OnDisk(path, dataset, row_shape)
    else:
        rows = Read(path, dataset.name, row_shape)
    for piece in rows.pieces():
        if not piece.isfinite().all():
            raise ParleyError(not_finite(path, dataset))
    return rows


def _can_be_mapped(dataset: h5py.Dataset) -> bool:
    if dataset.is_virtual or dataset.external or dataset.compression or dataset.shuffle or dataset.fletcher32:
        return False
    whole_rows = dataset.chunks is None or dataset.chunks == (1, *dataset.shape[1:])
    return whole_rows and (dataset.chunks is not None or dataset.id.get_offset() is not None)


def _offsets(dataset: h5py.Dataset) -> list[int]:
    """Return for each row the byte offset at which it starts in the file."""
    if dataset.chunks is None:
        row_bytes = dataset.dtype.itemsize * int(np.prod(dataset.shape[1:]))
        first = dataset.id.get_offset()
        return [first + row * row_bytes for row in range(len(dataset))]
    offsets = [0] * len(dataset)

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        offsets[chunk.chunk_offset[0]] = chunk.byte_offset

    dataset.id.chunk_iter(note)
    return offsets
