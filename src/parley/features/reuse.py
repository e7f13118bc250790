"""Reuse features computed before for the same bytes and the same network."""

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.features.classfiles import ClassFile, reading_class_file

logger = logging.getLogger(__name__)
# Features of files that differ in one of these attributes must not be mixed.
SAME_EVERYWHERE = ("backbone", "weights_sha256", "preprocessing", "map_dtype", "autocast", "pooled", "map", "logits")


class RowRef(NamedTuple):
    """Reference to a row: index of the file, and row in it."""

    file: int
    row: int


class KnownRows:
    """Rows of other class files of the same network, by SHA-256 of the image.

    Parameters
    ----------
    paths
        Class files to search. Files that are gone or damaged are skipped; their rows are computed again.
    wanted
        SHA-256 digests to look for; they bound the memory.
    attributes
        Provenance attributes that the files must have.
    """

    def __init__(self, paths: Iterable[Path], wanted: Collection[str], attributes: Mapping[str, str]) -> None:
        self._stack = contextlib.ExitStack()
        self._files: list[ClassFile] = []
        self._refs: dict[str, RowRef] = {}
        for path in sorted(paths):
            if len(self._refs) == len(wanted):
                break
            self._add(path, wanted, attributes)

    def __len__(self) -> int:
        return len(self._refs)

    def find(self, sha256: str) -> RowRef | None:
        """Return the row of the image with this SHA-256; None if there is none."""
        return self._refs.get(sha256)

    def values(self, layer: str, refs: Sequence[RowRef]) -> NDArray[np.generic]:
        """Return ``[len(refs), *shape]`` of a layer."""
        rows = [self._files[ref.file].values(layer, [ref.row])[0, 0] for ref in refs]
        return np.stack(rows)

    def versions(self, name: str) -> set[str]:
        """Return the versions of a package that wrote the files."""
        return {version for file in self._files for version in file.attributes.get(name, "unknown").split(", ")}

    def _add(self, path: Path, wanted: Collection[str], attributes: Mapping[str, str]) -> None:
        """Add the wanted rows of a file, and keep the file open if there are any."""
        with contextlib.ExitStack() as opened:
            try:
                file = opened.enter_context(reading_class_file(path))
            except ParleyError as error:
                logger.info("No rows are taken from %s", error)
                return
            if any(file.attributes.get(name) != attributes.get(name) for name in SAME_EVERYWHERE):
                return
            found = {
                sha256: RowRef(len(self._files), row)
                for row, sha256 in enumerate(file.sha256s)
                if sha256 in wanted and sha256 not in self._refs
            }
            if found:
                self._refs.update(found)
                self._files.append(file)
                self._stack.push(opened.pop_all())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def other_class_files(network: str | Path, out_paths: Sequence[str | Path]) -> Iterator[Path]:
    """Yield the class files of a network that belong to other image sets than the files about to be written.

    The same image set is skipped: it could only contribute images shared by two classes, and each job of a large set
    would read the files of all others.

    Parameters
    ----------
    network
        The network's folder. Class files are ``<image set>/<class>.hdf5``; those of a large class set are in shards
        (`parley.config.shards`).
    out_paths
        Files about to be written.
    """
    network = Path(network).resolve()
    written = {path.relative_to(network).parts[0] for path in (Path(out).resolve() for out in out_paths)}
    for images in network.iterdir():
        if images.name not in written:
            yield from images.glob("*.hdf5")
            yield from images.glob("shard-*/*.hdf5")
