"""Open untrusted HDF5 files. Refuse links to other files, and datasets much larger than the bytes stored for them."""

import math
import mmap
import operator
import os
import posixpath
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import h5py

from parley.core.errors import ParleyError
from parley.core.files import mistaken_for, no_file, remedy

DAMAGE = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)
"""Exceptions that h5py may raise when a damaged file is accessed."""
_MOST_PACKED = 1100
"""Largest accepted ratio of a dataset's size in memory to its stored size. With gzip, the ratio is at most 1,032."""
_SIGNATURE, _SHORTEST = b"\x89HDF\r\n\x1a\n", 48
"""First bytes of an HDF5 file, and the size of its smallest first block (superblock), of version 2."""
_NEVER_PACKED_BYTES = 1 << 16
"""A dataset that takes at most this many bytes in memory is accepted, whatever its stored size."""
_SAME_FILE = "."
"""Name of a virtual dataset's own file, as the source of its values."""
_MOST_LINKS = 16
"""Largest accepted number of soft links that follow one another, as in HDF5."""
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
    """Return an error message that names the kind of a file that is not HDF5, or says how it is damaged."""
    if isinstance(error, OSError) and error.filename:  # From the system, such as a missing permission, not from HDF5.
        return f"{path} cannot be read ({error.strerror}); check the path."
    reason = (str(error) or type(error).__name__).splitlines()[0]
    kind, fix = mistaken_for(path)
    if "truncated file" in reason or _is_a_beginning(Path(path)):
        kind = f"cut off at byte {Path(path).stat().st_size}"
    told = f": it is {kind}" if kind and not kind.startswith("HDF5") else f" ({reason})"
    return f"{path} is not a valid {what}{told}; {fix or remedy(path)}."


def _is_a_beginning(path: Path) -> bool:
    """Return whether a file is shorter than the first block of HDF5 and begins with HDF5's signature."""
    with path.open("rb") as stream:
        head = stream.read(_SHORTEST)
    return 0 < len(head) < _SHORTEST and _SIGNATURE.startswith(head[: len(_SIGNATURE)])


def texts(dataset: h5py.Dataset) -> list[str]:
    """Return the strings (UTF-8) of a dataset. Other content raises one of the exceptions in `DAMAGE`."""
    return [value.decode("utf-8") for value in dataset[:]]


def stored(file: h5py.File, name: str, path: str | Path) -> h5py.Dataset:
    """Return a dataset of an open file after `check_whole`. If there is none, raise one of the errors in `DAMAGE`."""
    dataset = file[name]
    check_whole(dataset, path)
    return dataset


def check_whole(dataset: h5py.Dataset, path: str | Path, fix: str = "") -> None:
    """Raise `ParleyError` if values of a dataset were never written, or are in a missing file.

    HDF5 returns a fill value, such as 0 or NaN, for them.

    Parameters
    ----------
    dataset
        The dataset, of a file that passed `check_untrusted`.
    path
        The file.
    fix
        Advice for missing files in the error message; by default, to restore them or copy their values.
    """
    name = dataset.name[1:]
    if lost := sorted(str(source) for source in sources(dataset, path) if not source.is_file()):
        files = "the missing file" if len(lost) == 1 else f"{len(lost)} missing files, such as"
        fix = fix or "restore what is missing, or copy the values into this file"
        raise ParleyError(f"{path}: {name} refers to {files} {os.path.normpath(lost[0])}; {fix}.")
    if dataset.is_virtual or not dataset.size:
        return
    if dataset.chunks:
        pairs = zip(dataset.shape, dataset.chunks, strict=True)
        needed, written = math.prod(-(-length // step) for length, step in pairs), dataset.id.get_num_chunks()
    else:
        needed, written = 1, int(dataset.id.get_storage_size() > 0)
    if written < needed:
        state = f"is incomplete ({written} of {needed} chunks)" if written else "has no values"
        raise ParleyError(f"{path}: {name} {state}, probably because writing was interrupted; {remedy(path)}.")


def sources(dataset: h5py.Dataset, path: str | Path) -> set[Path]:
    """Return the other files that a virtual dataset refers to; the set is empty for one that is not virtual."""
    if not dataset.is_virtual:
        return set()
    names = {source.file_name for source in dataset.virtual_sources()}
    return {Path(path).parent / name for name in names if name != _SAME_FILE}


def check_untrusted(file: h5py.File, path: str | Path) -> None:
    """Raise `ParleyError` if an item is stored in another file, or a dataset is much larger than its stored bytes.

    Virtual datasets, which refer to rows of other datasets, are allowed if these store all of their values, as far as
    their files exist: `features.gather: reference` writes them.
    """
    for name in file:
        check_item(file, name, path)


def check_item(file: h5py.File, name: str, path: str | Path) -> None:
    """Do what `check_untrusted` does for one item, which may be in a group, such as ``group/dataset``."""
    if isinstance(item := _own_item(file, name, path), h5py.Dataset):
        _check_dataset(item, path)


def _own_item(file: h5py.File, name: str, path: str | Path) -> h5py.HLObject | None:
    """Return an item, or None if there is none; raise `ParleyError` if it is in another file or cannot be opened."""
    # Links are checked before they are followed, because the target of an external link may be a device file.
    if _is_external(file, name, path):
        raise ParleyError(f"{path}: {name} is in another file (an external link); copy it into this one.")
    try:
        return file.get(name)
    except DAMAGE as error:
        raise ParleyError(f"{path}: {name} cannot be opened ({error}); {remedy(path)}.") from error


def _is_external(file: h5py.File, name: str, path: str | Path, links: int = _MOST_LINKS) -> bool:
    """Return whether an item is behind an external link, also through up to `links` soft links."""
    for step in accumulate(name.split("/"), "{}/{}".format):
        folder, _, last = step.rpartition("/")
        link = file.get(step, getlink=True) if last not in ("", ".") else None
        if isinstance(link, h5py.SoftLink):
            if not links:
                raise ParleyError(f"{path}: {name} cannot be opened (too many links); {remedy(path)}.")
            if _is_external(file, posixpath.join(folder or "/", link.path), path, links - 1):
                return True
        if isinstance(link, h5py.ExternalLink):
            return True
    return False


def _check_dataset(dataset: h5py.Dataset, path: str | Path) -> None:
    if dataset.external:
        raise ParleyError(f"{path}: {dataset.name[1:]} is in another file (external storage); copy it into this one.")
    if dataset.is_virtual:
        _check_virtual(dataset, Path(path))
        return
    claimed = dataset.size * dataset.dtype.itemsize if dataset.shape is not None else 0
    if claimed <= _NEVER_PACKED_BYTES:
        return
    stored_bytes = dataset.id.get_storage_size()
    if claimed > stored_bytes * (_MOST_PACKED if dataset.chunks else 1):
        raise ParleyError(
            f"{path}: {dataset.name[1:]} claims {claimed} bytes, but only {stored_bytes} are stored; {remedy(path)}."
        )


def _check_virtual(dataset: h5py.Dataset, path: Path) -> None:
    """Raise `ParleyError` if a virtual dataset has more values than its sources, as far as they exist, store.

    Sources must not be virtual: HDF5 crashes on one that refers to itself, also through others.
    """
    maps = dataset.virtual_sources()
    if (mapped := sum(one.vspace.get_select_npoints() for one in maps)) != dataset.size:
        raise ParleyError(
            f"{path}: {dataset.name[1:]} claims {dataset.size} values, but refers to {mapped} of other datasets; "
            f"{remedy(path)}."
        )
    ends: dict[tuple[str, str], list[int]] = {}  # HDF5 stores a source's shape only up to the end of the selection.
    for one in maps:
        known = ends.setdefault((one.file_name, one.dset_name), [0] * len(one.src_space.shape))
        ends[one.file_name, one.dset_name] = list(map(max, known, one.src_space.shape))
    sizes, is_whole = dict[tuple[int, ...], int](), True
    for (file_name, dataset_name), end in ends.items():
        place = path if file_name == _SAME_FILE else path.parent / file_name
        if not place.is_file():
            is_whole = False  # `check_whole` reports it.
            continue
        if dataset.dtype.hasobject:
            _check_heaps(place)
        with h5py.File(place, "r") as file:
            source = _own_item(file, dataset_name, place)
            if not isinstance(source, h5py.Dataset) or source.is_virtual or not _reaches(source.shape, end):
                raise ParleyError(
                    f"{path}: {dataset.name[1:]} refers to {dataset_name} of {place}, which does not store it; "
                    f"{remedy(path)}."
                )
            _check_dataset(source, place)
            check_whole(source, place)
            # Other names, such as links and //x, may mean the same dataset.
            status = place.stat()
            sizes[status.st_dev, status.st_ino, h5py.h5o.get_info(source.id).addr] = source.size
    if is_whole and dataset.size > sum(sizes.values()):
        raise ParleyError(
            f"{path}: {dataset.name[1:]} claims {dataset.size} values, but the datasets that it refers to store "
            f"{sum(sizes.values())}; {remedy(path)}."
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
