"""HDF5 files with the features of one class, one row per image: written by extraction, read by gathering."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.core.files import remove_leftovers, written_aside
from parley.core.hdf5 import DAMAGE, check_untrusted

# A chunk holds whole rows of about this total size; one chunk per short row would cost too much HDF5 overhead.
_CHUNK_BYTES = 1 << 16
_REASON_BYTES = 200
UNREADABLE = "unreadable"


class Column(NamedTuple):
    """A dataset of features: row shape and type on disk."""

    shape: tuple[int, ...]
    dtype: str = "float32"


class RowIdentity(NamedTuple):
    """The image of a row: its key, its file name in the tar, and the SHA-256 of its bytes."""

    key: str
    member: str
    sha256: str


class ClassFileWriter:
    """Appends rows to a class file in constant memory. Created by `writing_class_file`."""

    def __init__(self, file: h5py.File, columns: Mapping[str, Column]) -> None:
        self.rows = 0
        self._rejected: list[tuple[str, str]] = []
        self._file, self._columns = file, columns
        for name, dtype in (("Key", "S32"), ("Sha256", "S64"), ("Member", "S64")):
            file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(1024,))
        for name, column in columns.items():
            # The axis of length 1 is part of the original's format.
            shape = (1, *column.shape)
            chunk_rows = max(1, _CHUNK_BYTES // (np.dtype(column.dtype).itemsize * int(np.prod(shape))))
            file.create_dataset(name, (0, *shape), column.dtype, maxshape=(None, *shape), chunks=(chunk_rows, *shape))

    def append(self, rows: Sequence[RowIdentity], values: Mapping[str, NDArray[np.float32]]) -> None:
        """Append rows: their identities, and by dataset their features ``[len(rows), *shape]``."""
        start, self.rows = self.rows, self.rows + len(rows)
        texts = {"Key": "key", "Sha256": "sha256", "Member": "member"}
        for name, field in texts.items():
            self._add(name, start, np.array([getattr(row, field).encode() for row in rows]))
        for name, column in self._columns.items():
            with np.errstate(over="ignore"):
                stored = values[name].astype(column.dtype)
            if not np.isfinite(stored).all():
                raise ParleyError(
                    f"Some values of {name} are infinite or NaN when stored as {column.dtype}; "
                    "set features.map_dtype to float32, or use other weights."
                )
            self._add(name, start, stored[:, None])

    def reject(self, key: str, reason: str) -> None:
        """Record an image without a row, and the reason."""
        self._rejected.append((key, reason))

    def finish(self) -> None:
        """Write the list of images without a row."""
        group = self._file.create_group(UNREADABLE)
        group["Key"] = np.array([key.encode() for key, _ in self._rejected], "S32")
        reasons = [reason.encode("ascii", "replace")[:_REASON_BYTES] for _, reason in self._rejected]
        group["Reason"] = np.array(reasons, f"S{_REASON_BYTES}")
        self._file.attrs[UNREADABLE] = len(self._rejected)

    def _add(self, name: str, start: int, values: NDArray[np.generic]) -> None:
        dataset = self._file[name]
        dataset.resize(start + len(values), axis=0)
        dataset[start:] = values


@contextmanager
def writing_class_file(
    path: str | Path, columns: Mapping[str, Column], attributes: Mapping[str, str]
) -> Iterator[ClassFileWriter]:
    """Open a new class file. It is renamed to `path` if the block succeeds."""
    remove_leftovers(path)
    with written_aside(path) as aside, h5py.File(aside, "w") as file:
        file.attrs.update(attributes)
        writer = ClassFileWriter(file, columns)
        yield writer
        writer.finish()


class ClassFile:
    """A class file open for reading. Created by `reading_class_file`.

    Attributes
    ----------
    row_of
        Row index by image key.
    sha256s, members
        For each row, the SHA-256 of the image's bytes and its file name in the tar.
    unreadable
        Images without a row: reason by key.
    attributes
        Provenance attributes.
    columns
        The datasets of features.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self._file = path, file
        keys = _texts(file["Key"])
        self.row_of = {key: row for row, key in enumerate(keys)}
        self.sha256s, self.members = _texts(file["Sha256"]), _texts(file["Member"])
        self.unreadable = dict(zip(_texts(file[UNREADABLE]["Key"]), _texts(file[UNREADABLE]["Reason"]), strict=True))
        self.attributes = {name: str(value) for name, value in file.attrs.items() if name != UNREADABLE}
        self.columns = {
            name: Column(tuple(file[name].shape[2:]), str(file[name].dtype))
            for name in file
            if name not in ("Key", "Sha256", "Member", UNREADABLE)
        }
        lengths = {len(keys), len(self.sha256s), len(self.members), *(len(file[name]) for name in self.columns)}
        if len(lengths) != 1 or len(self.row_of) != len(keys):
            raise ValueError("its datasets differ in length or a key is repeated")

    def values(self, name: str, rows: Sequence[int]) -> NDArray[np.generic]:
        """Return ``[len(rows), 1, *shape]`` of a dataset, in the order of `rows`."""
        order = np.argsort(rows, kind="stable")
        sorted_rows = np.asarray(rows)[order]
        # HDF5 reads consecutive rows fast and scattered rows slowly.
        breaks = np.flatnonzero(np.diff(sorted_rows) != 1) + 1
        try:
            runs = [self._file[name][run[0] : run[-1] + 1] for run in np.split(sorted_rows, breaks)]
        except DAMAGE as error:
            raise ParleyError(_not_whole(self.path, error)) from error
        found: NDArray[np.generic] = np.concatenate(runs)[np.argsort(order, kind="stable")]
        return found


@contextmanager
def reading_class_file(path: str | Path) -> Iterator[ClassFile]:
    """Open a class file.

    Raises
    ------
    ParleyError
        If the file is missing, truncated, or another kind of HDF5 file.
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except OSError as error:
        raise ParleyError(_not_whole(path, error)) from error
    with file:
        try:
            check_untrusted(file, path)
            opened = ClassFile(Path(path), file)
        except DAMAGE as error:
            raise ParleyError(_not_whole(path, error)) from error
        yield opened


def _not_whole(path: str | Path, error: Exception) -> str:
    return f"{path} is not a whole file of a class's features ({error}); remove it and run again."


def _texts(dataset: h5py.Dataset) -> list[str]:
    return [value.decode("utf-8") for value in dataset[:]]
