"""What a file of HDF5 from anywhere may not be: reaching into other files, or claiming more than it holds."""

import mmap
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from parley.core.errors import ParleyError

DAMAGE = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)
"""What h5py raises on damaged files, at whatever touches them."""
_MOST_PACKED = 1100
"""How much smaller gzip can make data; it reaches 1,032."""
_NEVER_PACKED_BYTES = 1 << 16
"""Less than this is read whatever it claims to be."""
_HEAP = re.compile(rb"GCOL\x01\0\0\0(.{8})", re.DOTALL)
"""The head of a global heap, where strings lie whose length differs: signature, version, three zeros, size in bytes."""
_HEAP_ITEM = struct.Struct("<HHIQ")
"""The head of one thing in it: number, how often it is referred to, four zeros, size; number 0 is the room left."""


@contextmanager
def opened(path: str | Path, what: str) -> Iterator[h5py.File]:
    """Open a file for reading; what HDF5 finds wrong with it, then or within the block, becomes a sentence.

    Parameters
    ----------
    path
        The file.
    what
        What it should be, as "file of features".

    Raises
    ------
    ParleyError
        When the file is missing, damaged, or not to be trusted.
    """
    try:
        _check_heaps(path)
        with h5py.File(path, "r") as file:
            check_untrusted(file, path)
            yield file
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except DAMAGE as error:
        raise ParleyError(f"{path} is no whole {what} ({_told(error)}); remove it and run again.") from error


def check_untrusted(file: h5py.File, path: str | Path) -> None:
    """Raise `ParleyError` where something in a file lies in another, or is larger than what is stored of it.

    A dataset made of rows of other HDF5 files (a virtual one) is what `features.gather: reference` makes, and stays.
    """
    for name in file:
        # Told before it is followed: the file that it names may be a device.
        if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
            raise ParleyError(f"{path}: {name} lies in another file (an external link); copy it into this one.")
        item = file.get(name)
        if item is not None and item.file.filename != file.filename:
            raise ParleyError(f"{path}: {name} lies in another file ({item.file.filename}); copy it into this one.")
        if isinstance(item, h5py.Dataset):
            _check_dataset(item, path)


def _check_dataset(dataset: h5py.Dataset, path: str | Path) -> None:
    if dataset.external:
        raise ParleyError(f"{path}: {dataset.name[1:]} lies in another file (external storage); copy it into this one.")
    claimed = dataset.size * dataset.dtype.itemsize if dataset.shape is not None else 0
    if dataset.is_virtual or claimed <= _NEVER_PACKED_BYTES:
        return
    stored = dataset.id.get_storage_size()
    if claimed > stored * (_MOST_PACKED if dataset.chunks else 1):
        raise ParleyError(
            f"{path}: {dataset.name[1:]} says that it holds {claimed} bytes, but {stored} are there; "
            "remove the file and make it again."
        )


def _told(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _check_heaps(path: str | Path) -> None:
    """Raise `ValueError` where HDF5 2.0 and earlier would never come back: at room of no bytes in a global heap.

    It goes on by the size of the room that is left, by which it then stays where it is. The layout is that of the
    HDF5 File Format Specification, version 3.0, III.E.
    """
    with Path(path).open("rb") as stream:
        if not stream.seek(0, 2):
            return  # Nothing is no HDF5, as h5py will say; and cannot be mapped.
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for heap in _HEAP.finditer(content):
                if _is_endless(content, heap.end(), heap.start() + int.from_bytes(heap[1], "little")):
                    raise ValueError(f"the global heap at byte {heap.start()} has room of no bytes")


def _is_endless(content: mmap.mmap, place: int, end: int) -> bool:
    """Whether a global heap with its first thing at `place` has room of no bytes; what only looks like one has none."""
    while place + _HEAP_ITEM.size <= min(end, len(content)):
        number, _, _, length = _HEAP_ITEM.unpack_from(content, place)
        if number == 0:
            return bool(length == 0)
        place += _HEAP_ITEM.size + -(-length // 8) * 8
    return False
