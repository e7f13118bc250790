"""Rows that were computed before: the same bytes through the same network are the same features."""

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
# Files that differ in one of these hold numbers that must not stand in one table.
SAME_EVERYWHERE = ("backbone", "weights_sha256", "preprocessing", "map_dtype", "autocast", "pooled", "map", "logits")


class Place(NamedTuple):
    """Where a row is: which of the files, and which row of it."""

    file: int
    row: int


class KnownRows:
    """The rows of other class files of the same network, by the bytes they are of.

    Parameters
    ----------
    paths
        Class files that may have them. What is gone by now, or is no whole class file, is passed over:
        its rows are computed again.
    wanted
        The SHA-256 to look for; memory is bounded by these.
    attributes
        What the numbers must come from.
    """

    def __init__(self, paths: Iterable[Path], wanted: Collection[str], attributes: Mapping[str, str]) -> None:
        self._stack = contextlib.ExitStack()
        self._files: list[ClassFile] = []
        self._places: dict[str, Place] = {}
        for path in sorted(paths):
            if len(self._places) == len(wanted):
                break
            self._add(path, wanted, attributes)

    def __len__(self) -> int:
        return len(self._places)

    def place_of(self, sha256: str) -> Place | None:
        """Return where the row of some bytes is; None where there is none."""
        return self._places.get(sha256)

    def values(self, layer: str, places: Sequence[Place]) -> NDArray[np.generic]:
        """Return ``[len(places), *shape]`` of a layer."""
        rows = [self._files[place.file].values(layer, [place.row])[0, 0] for place in places]
        return np.stack(rows)

    def versions(self, name: str) -> set[str]:
        """Return the versions of a package that the files were made with."""
        return {version for file in self._files for version in file.attributes.get(name, "unknown").split(", ")}

    def _add(self, path: Path, wanted: Collection[str], attributes: Mapping[str, str]) -> None:
        """Take a file's rows that are wanted, and keep it open if there are any."""
        with contextlib.ExitStack() as opened:
            try:
                file = opened.enter_context(reading_class_file(path))
            except ParleyError as error:
                logger.info("No rows are taken from %s", error)
                return
            if any(file.attributes.get(name) != attributes.get(name) for name in SAME_EVERYWHERE):
                return
            found = {
                sha256: Place(len(self._files), row)
                for row, sha256 in enumerate(file.sha256s)
                if sha256 in wanted and sha256 not in self._places
            }
            if found:
                self._places.update(found)
                self._files.append(file)
                self._stack.push(opened.pop_all())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def other_class_files(network: str | Path, out_paths: Sequence[str | Path]) -> Iterator[Path]:
    """Yield the class files of a network that belong to other sets of images than those about to be written.

    Of the same set nothing is to be had but what two classes share, and a large set's jobs would each read through
    the files of all the others.

    Parameters
    ----------
    network
        The folder of all that is of this network; class files lie at ``<set of images>/<class>.hdf5``, those of a
        large class set in its shards (`parley.config.shards`).
    out_paths
        Those about to be written.
    """
    network = Path(network).resolve()
    written = {path.relative_to(network).parts[0] for path in (Path(out).resolve() for out in out_paths)}
    for images in network.iterdir():
        if images.name not in written:
            yield from images.glob("*.hdf5")
            yield from images.glob("shard-*/*.hdf5")
