"""HDF5 files with the features of one class, one row per image. Rows can be copied from file to file."""

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.core.files import remove_leftovers, written_aside
from parley.core.hdf5 import DAMAGE, check_untrusted, check_whole, texts

logger = logging.getLogger(__name__)
# Approximate size of a chunk, which contains whole rows. One short row per chunk would make HDF5's overhead too large.
_CHUNK_BYTES = 1 << 16
_REASON_BYTES = 200
UNREADABLE = "unreadable"
VERSIONS = ("torch", "torchvision", "timm", "open_clip", "parley")
"""Names of the HDF5 attributes that contain the versions of the packages that computed a file's features. Of timm and
open_clip, a file has only that of its network's library."""
# If two files differ in one of these HDF5 attributes, their features must not be mixed.
SAME_EVERYWHERE = ("backbone", "weights_sha256", "preprocessing", "map_dtype", "autocast", "pooled", "map", "logits")


class Column(NamedTuple):
    """Shape of the features of one image, and the data type in which they are stored."""

    shape: tuple[int, ...]
    dtype: str = "float32"


class RowIdentity(NamedTuple):
    """The image to which a row belongs: its key, its file name in the tar, and the SHA-256 of its bytes."""

    key: str
    member: str
    sha256: str


class ClassFileWriter:
    """Appends rows to a class file in constant memory. Created by `writing_class_file`."""

    def __init__(self, file: h5py.File, columns: Mapping[str, Column]) -> None:
        self.rows = 0
        self.unreadable: dict[str, str] = {}
        """Why an image could not be read, by image key. Such images have no row."""
        self._file, self._columns = file, columns
        for name, dtype in (("Key", "S32"), ("Sha256", "S64"), ("Member", "S64")):
            file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(1024,))
        for name, column in columns.items():
            # The format of the original implementation (Evtimova et al., 2018) has this axis of length 1.
            shape = (1, *column.shape)
            chunk_rows = max(1, _CHUNK_BYTES // (np.dtype(column.dtype).itemsize * int(np.prod(shape))))
            file.create_dataset(name, (0, *shape), column.dtype, maxshape=(None, *shape), chunks=(chunk_rows, *shape))

    def append(self, rows: Sequence[RowIdentity], values: Mapping[str, NDArray[np.float32]]) -> None:
        """Append a row for each image in `rows`; `values` has their features ``[len(rows), *shape]`` by dataset."""
        start, self.rows = self.rows, self.rows + len(rows)
        for name, field in (("Key", "key"), ("Sha256", "sha256"), ("Member", "member")):
            self._add(name, start, np.array([getattr(row, field).encode() for row in rows]))
        for name, column in self._columns.items():
            with np.errstate(over="ignore"):
                stored = values[name].astype(column.dtype)
            if not np.isfinite(stored).all():
                if np.isfinite(values[name]).all():
                    fix = f"when stored as {column.dtype}; set features.map_dtype to float32, or use other weights"
                else:
                    fix = "in the network's output; use other weights (features.weights)"
                raise ParleyError(f"Some values of {name} are infinite or NaN {fix}.")
            self._add(name, start, stored[:, None])

    def finish(self) -> None:
        """Write the keys of the images that could not be read, with the reasons."""
        group = self._file.create_group(UNREADABLE)
        group["Key"] = np.array([key.encode() for key in self.unreadable], "S32")
        reasons = [reason.encode("ascii", "replace")[:_REASON_BYTES] for reason in self.unreadable.values()]
        group["Reason"] = np.array(reasons, f"S{_REASON_BYTES}")
        self._file.attrs[UNREADABLE] = len(self.unreadable)

    def _add(self, name: str, start: int, values: NDArray[np.generic]) -> None:
        dataset = self._file[name]
        dataset.resize(start + len(values), axis=0)
        dataset[start:] = values


@contextmanager
def writing_class_file(
    path: str | Path, columns: Mapping[str, Column], attributes: Mapping[str, str]
) -> Iterator[ClassFileWriter]:
    """Create a class file under a temporary name, and rename it to `path` if the `with` block succeeds."""
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
        Index of each image's row, by image key.
    sha256s, members
        SHA-256 of each image's bytes, and each image's file name in the tar, in the order of the rows.
    unreadable
        Why an image could not be read, by image key. Such images have no row.
    attributes
        Attributes that describe the network, preprocessing and package versions.
    columns
        Row shape and stored type of each dataset of features, by dataset name.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self._file = path, file
        for item in file.values():
            if isinstance(item, h5py.Dataset):
                check_whole(item, path)
        keys = texts(file["Key"])
        self.row_of = {key: row for row, key in enumerate(keys)}
        self.sha256s, self.members = texts(file["Sha256"]), texts(file["Member"])
        self.unreadable = dict(zip(texts(file[UNREADABLE]["Key"]), texts(file[UNREADABLE]["Reason"]), strict=True))
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
        """Return rows of the dataset `name`, ``[len(rows), 1, *shape]``; `rows` are their indices, in any order."""
        order = np.argsort(rows, kind="stable")
        sorted_rows = np.asarray(rows)[order]
        # Consecutive rows are read together, because HDF5 reads single rows slowly.
        breaks = np.flatnonzero(np.diff(sorted_rows) != 1) + 1
        try:
            runs = [self._file[name][run[0] : run[-1] + 1] for run in np.split(sorted_rows, breaks)]
        except DAMAGE as error:
            raise ParleyError(_damaged(self.path, error)) from error
        found: NDArray[np.generic] = np.concatenate(runs)[np.argsort(order, kind="stable")]
        return found


@contextmanager
def reading_class_file(path: str | Path) -> Iterator[ClassFile]:
    """Open a class file for reading.

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
        raise ParleyError(_damaged(path, error)) from error
    with file:
        try:
            check_untrusted(file, path)
            opened = ClassFile(Path(path), file)
        except DAMAGE as error:
            raise ParleyError(_damaged(path, error)) from error
        yield opened


def _damaged(path: str | Path, error: Exception) -> str:
    return f"{path} is not a class's feature file, or it is damaged ({error}); remove it and run again."


class KnownRows:
    """Features in existing class files of the same network, looked up by the SHA-256 of an image's bytes.

    Parameters
    ----------
    paths
        Class files to search. Missing and damaged files are skipped.
    wanted
        SHA-256 digests of the images to look for. Memory use is proportional to the number of digests.
    attributes
        `Backbone.attributes`. Files are skipped if their attributes in `SAME_EVERYWHERE` differ from these.
    """

    def __init__(self, paths: Iterable[Path], wanted: Collection[str], attributes: Mapping[str, str]) -> None:
        self._stack = contextlib.ExitStack()
        self._files: list[ClassFile] = []
        self._refs: dict[str, tuple[int, int]] = {}
        for path in sorted(paths):
            if len(self._refs) == len(wanted):
                break
            self._add(path, wanted, attributes)

    def __len__(self) -> int:
        return len(self._refs)

    def find(self, sha256: str) -> tuple[int, int] | None:
        """Return the index of the file and of the row with the features of an image; None if no file has them."""
        return self._refs.get(sha256)

    def values(self, layer: str, refs: Sequence[tuple[int, int]]) -> NDArray[np.generic]:
        """Return a layer's features ``[len(refs), *shape]`` for several images; `refs` are the results of `find`."""
        return np.stack([self._files[file].values(layer, [row])[0, 0] for file, row in refs])

    def versions(self, name: str) -> set[str]:
        """Return all versions of the package `name` with which the features in these files were computed."""
        return {version for file in self._files for version in file.attributes.get(name, "unknown").split(", ")}

    def _add(self, path: Path, wanted: Collection[str], attributes: Mapping[str, str]) -> None:
        """Register the rows of wanted images in a file; keep the file open only if it has such rows."""
        with contextlib.ExitStack() as opened:
            try:
                file = opened.enter_context(reading_class_file(path))
            except ParleyError as error:
                logger.info("A class file is skipped: %s", error)
                return
            if any(file.attributes.get(name) != attributes.get(name) for name in SAME_EVERYWHERE):
                return
            found = {
                sha256: (len(self._files), row)
                for row, sha256 in enumerate(file.sha256s)
                if sha256 in wanted and sha256 not in self._refs
            }
            if found:
                self._refs.update(found)
                self._files.append(file)
                self._stack.push(opened.pop_all())

    def close(self) -> None:
        """Close the files."""
        self._stack.close()


def other_class_files(network: str | Path, out_paths: Sequence[str | Path]) -> Iterator[Path]:
    """Yield the class files in a network's folder, except those of the image set to which `out_paths` belong.

    Each subfolder belongs to one image set of ``resources/images``. It contains ``<class>.hdf5`` for each class, in
    folders ``shard-<n>`` if there are many classes. The image set of `out_paths` is omitted, because its classes rarely
    share images, and each job of a large image set would read the files of all other jobs.
    """
    network = Path(network).resolve()
    written = {path.relative_to(network).parts[0] for path in (Path(out).resolve() for out in out_paths)}
    for images in network.iterdir():
        if images.name not in written:
            yield from images.glob("*.hdf5")
            yield from images.glob("shard-*/*.hdf5")
