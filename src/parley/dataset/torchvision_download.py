"""Datasets of torchvision: check their names and arguments, and have torchvision download what is missing."""

import contextlib
import inspect
import logging
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torchvision import __version__, datasets
from torchvision.datasets import VisionDataset

from parley.core.errors import ParleyError, did_you_mean
from parley.core.progress import BYTE, Progress
from parley.dataset.partial_downloads import exclusive_lock
from parley.dataset.sources.base import UNFINISHED, SourceOptions

logger = logging.getLogger(__name__)
LONGEST_SILENCE_S = 60.0
"""Maximum time without a byte from a server; torchvision sets none."""
_OURS = frozenset({"root", "download", "transform", "target_transform", "transforms", "loader"})
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".xz", ".bz2")
_NO_DATASETS = frozenset({"VisionDataset", "DatasetFolder", "wrap_dataset_for_transforms_v2"})
"""Names in `torchvision.datasets` of base classes and functions."""


def check_dataset(options: SourceOptions) -> list[str]:
    """Return a sentence for each problem with the name of a dataset and its arguments. Nothing is downloaded."""
    try:
        kind = dataset_class(options.dataset)
    except ParleyError as error:
        return error.findings
    found = []
    for arguments in options.arguments:
        if ours := sorted(_OURS & arguments.keys()):
            found.append(f"source.torchvision.arguments: remove {', '.join(ours)}, which Parley sets itself.")
            continue
        # A dataset checks its arguments before it looks for its files, so an empty folder is enough.
        with tempfile.TemporaryDirectory() as empty:
            try:
                _constructed(kind, empty, arguments)
            except (TypeError, ValueError) as error:
                said = str(error).rstrip(".")
                found.append(f"source.torchvision.arguments: torchvision's {options.dataset} says: {said}.")
            except Exception as error:  # noqa: BLE001 - of any type: the dataset's files are missing
                logger.debug("%s: %s", options.dataset, error)
    return found


def dataset_class(name: str) -> type[VisionDataset]:
    """Return the class of torchvision.datasets with this name."""
    known = [one for one in datasets.__all__ if one not in _NO_DATASETS]
    if name in known:
        kind: type[VisionDataset] = getattr(datasets, name)
        return kind
    hint = did_you_mean(name, known, "https://docs.pytorch.org/vision/stable/datasets.html lists them.", 0.5)
    raise ParleyError(f"source.torchvision.dataset: torchvision {__version__} has no dataset {name!r}; {hint}")


def _constructed(
    kind: type[VisionDataset], root: str | Path, arguments: Mapping[str, Any], download: bool = False
) -> VisionDataset:
    """Construct a dataset. `root` and `download` are passed only to classes that take them."""
    taken = inspect.signature(kind).parameters
    for name, value in arguments.items():
        # Python would take any text, "false" too, for true.
        if name in taken and taken[name].annotation is bool and not isinstance(value, bool):
            raise TypeError(f"{name} must be true or false, not {value!r}")
    further: dict[str, Any] = {"root": str(root)} if "root" in taken else {}
    if "download" in taken:
        further["download"] = download
    inspect.signature(kind).bind(**arguments, **further)
    return kind(**arguments, **further)


def open_dataset(kind: type[VisionDataset], root: Path, arguments: Mapping[str, Any]) -> VisionDataset:
    """Construct a dataset; download it first if its files are missing."""
    dataset = _present(kind, root, arguments)
    if dataset is not None:
        return dataset
    with exclusive_lock(root / UNFINISHED):
        dataset = _present(kind, root, arguments)  # Another process may just have downloaded it.
        return _downloaded(kind, root, arguments) if dataset is None else dataset


def _present(kind: type[VisionDataset], root: Path, arguments: Mapping[str, Any]) -> VisionDataset | None:
    """Construct a dataset; return None if its files are missing and torchvision can download them."""
    name = kind.__name__
    try:
        return _constructed(kind, root, arguments)
    except (RuntimeError, OSError) as error:
        if "download" not in inspect.signature(kind).parameters:
            raise ParleyError(
                f"torchvision's {name} cannot be read from {root} ({error}), and torchvision does not download it; "
                "put its files there, or correct source.torchvision.root."
            ) from error
        return None
    except ImportError as error:
        raise ParleyError(f"torchvision's {name} requires the package {error.name}, which is not installed.") from error
    except Exception as error:
        raise ParleyError(f"torchvision's {name} cannot be opened ({type(error).__name__}: {error}).") from error


def _downloaded(kind: type[VisionDataset], root: Path, arguments: Mapping[str, Any]) -> VisionDataset:
    name, aside = kind.__name__, root / UNFINISHED
    logger.info("torchvision downloads %s itself and checks it; Parley's rules for downloads do not apply.", name)
    try:
        _remove_unpacked(aside)
        with _shown_downloads():
            _constructed(kind, aside, arguments, download=True)
        _move(aside, root)
        return _constructed(kind, root, arguments)
    except Exception as error:
        raise ParleyError(
            f"torchvision could not download {name} ({type(error).__name__}: {error}). Run again, or put the files "
            f"into {root} as torchvision.datasets.{name} expects them."
        ) from error


def _remove_unpacked(folder: Path) -> None:
    """Remove all files except archives, which torchvision checks: an interrupted run may have unpacked only some."""
    for path in folder.rglob("*"):
        if not path.name.endswith(_ARCHIVES) and not path.is_dir():
            path.unlink()
    # Datasets take a folder that exists for one that is complete.
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    folder.mkdir(parents=True, exist_ok=True)


def _move(source: Path, destination: Path) -> None:
    """Move a file or folder; a folder whose destination exists is moved entry by entry."""
    if not (source.is_dir() and destination.is_dir()):
        source.replace(destination)
        return
    for one in sorted(source.iterdir()):
        _move(one, destination / one.name)
    shutil.rmtree(source)


class _DownloadBar(Progress):
    """Progress with the interface of tqdm that torchvision uses."""

    def __init__(self, total: int | None = None, **_: Any) -> None:
        super().__init__("downloading", total, BYTE)

    def update(self, pieces: int) -> None:
        self.advance(pieces)


@contextlib.contextmanager
def _shown_downloads() -> Iterator[None]:
    """Show torchvision's downloads as Parley shows progress, and end one whose server is silent."""
    limit = socket.getdefaulttimeout()
    socket.setdefaulttimeout(LONGEST_SILENCE_S)
    try:
        with replaced(datasets.utils, "tqdm", _DownloadBar):
            yield
    finally:
        socket.setdefaulttimeout(limit)


@contextlib.contextmanager
def replaced(module: Any, name: str, value: object) -> Iterator[None]:
    """Replace an attribute of a module inside a `with` block."""
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)
