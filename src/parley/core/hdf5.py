"""Open untrusted HDF5 files. Refuse links to other files, and datasets much larger than the bytes stored for them."""

import mmap
import operator
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import h5py

from parley.core.errors import ParleyError
from parley.core.files import mistaken_for, no_file, remake

DAMAGE = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)
"""Exceptions that h5py may raise when a damaged file is accessed."""
_MOST_PACKED = 1100
"""Largest accepted ratio of a dataset's size in memory to its stored size. With gzip, the ratio is at most 1,032."""
_NEVER_PACKED_BYTES = 1 << 16
"""A dataset that takes at most this many bytes in memory is accepted, whatever its stored size."""
_HEAP = re.compile(rb"GCOL\x01\0\0\0(.{8})", re.DOTALL)
"""The header of a global heap, which stores variable-length strings: signature, version, three zeros, size in bytes."""
_HEAP_ITEM = struct.Struct("<HHIQ")
"""The header of a heap object: index, reference count, four zeros, size in bytes; index 0 is the free space."""


@contextmanager
def opened(path: str | Path, what: str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; convert HDF5 errors, also those in the `with` block, to `ParleyError`.

    Parameters
    ----------
    path
        The file.
    what
        Kind of the file for error messages, such as "file of features".

    Raises
    ------
    ParleyError
        If the file is missing, damaged, or fails `check_untrusted`.
    """
    if kind := no_file(path):
        raise ParleyError(f"{path} is {kind}, not a {what}; give the path of a file.")
    try:
        _check_heaps(path)
        with h5py.File(path, "r") as file:
            check_untrusted(file, path)
            yield file
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except DAMAGE as error:
        raise ParleyError(_unreadable(path, what, error)) from error


def _unreadable(path: str | Path, what: str, error: Exception) -> str:
    """Return an error message that says what the file is in place of HDF5, or how it is damaged."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    kind, fix = mistaken_for(path)
    if "truncated file" in reason:
        kind = f"cut off at byte {Path(path).stat().st_size}"
    told = f": it is {kind}" if kind and not kind.startswith("HDF5") else f" ({reason})"
    return f"{path} is not a valid {what}{told}; {fix or remake(path)}."


def texts(dataset: h5py.Dataset) -> list[str]:
    """Return the strings (UTF-8) of a dataset. Other content raises one of the exceptions in `DAMAGE`."""
    return [value.decode("utf-8") for value in dataset[:]]


def check_untrusted(file: h5py.File, path: str | Path) -> None:
    """Raise `ParleyError` if an item is stored in another file, or a dataset is much larger than its stored bytes.

    Virtual datasets, which refer to rows of other HDF5 files, are allowed if these files store all of their values:
    `features.gather: reference` writes them.
    """
    for name in file:
        check_item(file, name, path)


def check_item(file: h5py.File, name: str, path: str | Path) -> None:
    """Do what `check_untrusted` does for one item, which may be in a group, such as ``group/dataset``."""
    for step in accumulate(name.split("/"), "{}/{}".format):
        # The link is checked before it is followed, because its target may be a device file.
        if isinstance(file.get(step, getlink=True), h5py.ExternalLink):
            raise ParleyError(f"{path}: {step} is in another file (an external link); copy it into this one.")
        try:
            item = file.get(step)
        except DAMAGE as error:  # Such as a link to itself.
            raise ParleyError(f"{path}: {step} cannot be opened ({error}); {remake(path)}.") from error
        if item is None:
            return
        if item.file.filename != file.filename:
            raise ParleyError(f"{path}: {step} is in another file ({item.file.filename}); copy it into this one.")
        if isinstance(item, h5py.Dataset):
            _check_dataset(item, path)


def _check_dataset(dataset: h5py.Dataset, path: str | Path) -> None:
    if dataset.external:
        raise ParleyError(f"{path}: {dataset.name[1:]} is in another file (external storage); copy it into this one.")
    claimed = dataset.size * dataset.dtype.itemsize if dataset.shape is not None else 0
    if dataset.is_virtual:
        _check_virtual(dataset, Path(path))
        return
    if claimed <= _NEVER_PACKED_BYTES:
        return
    stored = dataset.id.get_storage_size()
    if claimed > stored * (_MOST_PACKED if dataset.chunks else 1):
        raise ParleyError(
            f"{path}: {dataset.name[1:]} claims {claimed} bytes, but only {stored} are stored; {remake(path)}."
        )


def _check_virtual(dataset: h5py.Dataset, path: Path) -> None:
    """Raise `ParleyError` if a virtual dataset has more values than its sources, as far as they exist, store."""
    sources = dataset.virtual_sources()
    if (mapped := sum(source.vspace.get_select_npoints() for source in sources)) != dataset.size:
        raise ParleyError(
            f"{path}: {dataset.name[1:]} claims {dataset.size} values, but refers to {mapped} of other files; "
            f"{remake(path)}."
        )
    ends: dict[tuple[str, str], list[int]] = {}  # HDF5 stores a source's shape only up to the end of the selection.
    for one in sources:
        known = ends.setdefault((one.file_name, one.dset_name), [0] * len(one.src_space.shape))
        ends[one.file_name, one.dset_name] = list(map(max, known, one.src_space.shape))
    stored, is_whole = dict[tuple[int, ...], int](), True
    for (file_name, dataset_name), end in ends.items():
        if not (place := path.parent / file_name).is_file():
            is_whole = False  # `features.storage` reports it.
            continue
        with h5py.File(place, "r") as file:
            source = file.get(dataset_name) if place.resolve() != path.resolve() else None
            if not isinstance(source, h5py.Dataset) or source.is_virtual or not _reaches(source.shape, end):
                raise ParleyError(
                    f"{path}: {dataset.name[1:]} refers to {dataset_name} of {place}, which does not store it; "
                    f"{remake(path)}."
                )
            _check_dataset(source, place)
            # Other names, such as links and //x, may mean the same dataset.
            status = place.stat()
            stored[status.st_dev, status.st_ino, h5py.h5o.get_info(source.id).addr] = source.size
    if is_whole and dataset.size > sum(stored.values()):
        raise ParleyError(
            f"{path}: {dataset.name[1:]} claims {dataset.size} values, but the files that it refers to store "
            f"{sum(stored.values())}; {remake(path)}."
        )


def _reaches(shape: Sequence[int], end: Sequence[int]) -> bool:
    """Return whether a shape contains a selection that ends at `end`; an empty `end` means that all is selected."""
    return not end or (len(shape) == len(end) and all(map(operator.ge, shape, end)))


def _check_heaps(path: str | Path) -> None:
    """Raise `ValueError` if a global heap has free space of size 0: HDF5 2.0 and earlier loop forever on it.

    HDF5 advances by the size of the free space, so it never reaches the end of such a heap. The layout of a heap is
    defined in the HDF5 File Format Specification, version 3.0, III.E.
    """
    with Path(path).open("rb") as stream:
        if not stream.seek(0, 2):
            return  # An empty file cannot be mapped; h5py reports it.
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for heap in _HEAP.finditer(content):
                if _is_endless(content, heap.end(), heap.start() + int.from_bytes(heap[1], "little")):
                    raise ValueError(f"the global heap at byte {heap.start()} has free space of size 0")


def _is_endless(content: mmap.mmap, offset: int, end: int) -> bool:
    """Return whether reading a global heap (HDF5's store of strings) would never end: its free space has size 0.

    `offset` and `end` are the byte offsets of the first object and of the end of the heap.
    """
    while offset + _HEAP_ITEM.size <= min(end, len(content)):
        number, _, _, length = _HEAP_ITEM.unpack_from(content, offset)
        if number == 0:
            return bool(length == 0)
        offset += _HEAP_ITEM.size + -(-length // 8) * 8
    return False
