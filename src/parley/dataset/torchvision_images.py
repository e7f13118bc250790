"""Match the classes of a dataset of torchvision to the class set, and pack each class into a tar."""

import io
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError
from torchvision.datasets import VisionDataset

from parley.core.errors import ParleyError
from parley.core.files import expand_home, written_aside
from parley.core.progress import Progress, tracked
from parley.dataset.class_set import ImageClass, match_classes
from parley.dataset.image_signatures import has_image_suffix
from parley.dataset.sources.base import SourceOptions
from parley.dataset.tars import write_tar
from parley.dataset.torchvision_download import dataset_class, open_dataset, replaced

_FILE = "parley_file"


class _Item(NamedTuple):
    """An image of a dataset."""

    dataset: VisionDataset
    position: int
    name: str
    """Name of the image in the tar: it identifies the image, whatever else is in the dataset."""
    file: Path | None
    """The image's own file; None if the dataset has none, as when all images are in one array."""


def pack_classes(options: SourceOptions, classes: Sequence[ImageClass], folder: str | Path) -> None:
    """Download a dataset of torchvision unless it is there, and write `<class>.tar` for each class.

    An image that is a separate file is packed unchanged; any other becomes a PNG, which loses nothing. Its name in
    the tar comes from the dataset's name and the file's path below the root or, without a file, from the arguments
    and its index.

    Parameters
    ----------
    options
        Settings of the image source. `root` is the folder of torchvision's files.
    classes
        The classes to pack. They are matched to the dataset's by `parley.dataset.class_set.match_classes`.
    folder
        Folder for the tars.

    Raises
    ------
    ParleyError
        If the dataset cannot be obtained, does not give images with a class, or lacks a class.
    """
    kind, root = dataset_class(options.dataset), expand_home(options.root or "")
    images: dict[tuple[str, ...], list[_Item]] = {}
    for arguments in options.arguments:
        dataset = open_dataset(kind, root, arguments)
        for labels, items in _by_labels(dataset, root, arguments).items():
            images.setdefault(labels, []).extend(items)
    where = f"torchvision's {options.dataset}"
    labels_of = match_classes(classes, images, where)
    with Progress("packing classes", len(classes), "class") as progress:
        for one in classes:
            # Joined argument sets may contain an image several times.
            distinct = {item.name: item for item in images[labels_of[one.name]]}.values()
            # Some datasets list files in the order of the file system.
            chosen = sorted(distinct, key=lambda item: str(item.file or ""))[: options.class_size]
            with written_aside(Path(folder) / f"{one.name}.tar") as aside:
                write_tar(aside, ((item.name, _body(item)) for item in chosen))
            progress.advance(note=one.name)


def _by_labels(dataset: VisionDataset, root: Path, arguments: Mapping[str, Any]) -> dict[tuple[str, ...], list[_Item]]:
    """Return the images of each class of a dataset, by the class's labels. Images that have files are not decoded."""
    known = _labels(dataset, arguments)
    found: dict[tuple[str, ...], list[_Item]] = {labels: [] for labels in known.values()}
    with replaced(Image, "open", partial(_remembered, Image.open)):
        for index in tracked(range(len(dataset)), "listing images", len(dataset), "image"):
            image, number = _pair(dataset, index, arguments)
            if known and number not in known:
                continue
            item = _item(dataset, index, getattr(image, _FILE, None), root, arguments)
            found.setdefault(known.get(number, (str(number),)), []).append(item)
    return found


def _remembered(opened: Callable[..., Image.Image], file: Any, *arguments: Any, **options: Any) -> Image.Image:
    """Open an image and remember its file; its conversion to RGB returns the image itself, not decoded."""
    try:
        image = opened(file, *arguments, **options)
    except UnidentifiedImageError:
        image = Image.new("RGB", (1, 1))  # The stage that validates images reports the file.
    path = file if isinstance(file, str | Path) else getattr(file, "name", None)
    if isinstance(path, str | Path):
        setattr(image, _FILE, Path(path))
        setattr(image, "convert", partial(_converted, image))  # noqa: B010 - mypy rejects the assignment
    return image


def _converted(image: Image.Image, mode: str | None = None, *arguments: Any, **options: Any) -> Image.Image:
    return image if mode == "RGB" else Image.Image.convert(image, mode, *arguments, **options)


def _pair(dataset: VisionDataset, index: int, arguments: Mapping[str, Any]) -> tuple[Any, int]:
    """Return an image and the index of its class."""
    name = type(dataset).__name__
    try:
        example = dataset[index]
    except Exception as error:
        raise ParleyError(
            f"torchvision's {name} cannot give image {index} ({type(error).__name__}: {error}). If its files in "
            f"{dataset.root} are incomplete, remove them and run again."
        ) from error
    target: Any = None
    image, target = example if isinstance(example, tuple) and len(example) == 2 else (example, None)
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    try:
        if isinstance(image, Image.Image):
            return image, operator.index(target)
    except TypeError:
        pass
    what = type(image).__name__ if not isinstance(image, Image.Image) else f"target of type {type(target).__name__}"
    raise ParleyError(
        f"torchvision's {name} with the arguments {dict(arguments)} does not give an image and its class, but a "
        f"{what}; choose arguments that give a class, such as `target_types: category`, or another dataset."
    )


def _item(dataset: VisionDataset, index: int, file: Path | None, root: Path, arguments: Mapping[str, Any]) -> _Item:
    name = type(dataset).__name__
    own = file if file is not None and has_image_suffix(file.name) else None
    if own is not None and own.is_relative_to(root):
        return _Item(dataset, index, f"{name}/{own.relative_to(root).as_posix()}", own)
    stated = ",".join(f"{key}={value}" for key, value in sorted(arguments.items())).replace("/", "_")
    suffix = own.suffix if own else ".png"
    return _Item(dataset, index, f"{name}/{stated}{'/' * bool(stated)}{index}{suffix}", own)


def _labels(dataset: Any, arguments: Mapping[str, Any]) -> dict[int, tuple[str, ...]]:
    """Return the names and wnids of each class, by its index; empty if the dataset states none."""
    kind = arguments.get("target_types", arguments.get("target_type", ""))
    kind = kind[0] if isinstance(kind, list) and len(kind) == 1 else kind
    if kind == "binary-category":  # OxfordIIITPet
        return {index: (name,) for name, index in dataset.bin_class_to_idx.items()}
    if kind not in ("", "full") and hasattr(dataset, "categories_index"):  # INaturalist
        return {index: (name,) for name, index in dataset.categories_index[kind].items()}
    found: dict[int, list[str]] = {}
    for name, index in (getattr(dataset, "class_to_idx", None) or {}).items():
        found.setdefault(index, []).append(name)
    lists = [getattr(dataset, name, ()) for name in ("classes", "categories", "all_categories")]
    for index, name in enumerate(next(filter(None, lists), ()) if not found else ()):
        # A category of INaturalist is a species with all its ranks above.
        found[index] = [name, " ".join(name.split("_")[-2:])] if name in lists[2] else [name]
    for index, wnid in enumerate(getattr(dataset, "wnids", ())):
        found[index].append(wnid)
    return {index: tuple(names) for index, names in found.items()}


def _body(item: _Item) -> bytes:
    """Return the bytes of an image's file or, if it has none, of a PNG."""
    try:
        if item.file is not None:
            return item.file.read_bytes()
        stream = io.BytesIO()
        image = item.dataset[item.position][0]
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, "PNG", compress_level=1)
        return stream.getvalue()
    except OSError as error:
        raise ParleyError(f"The image {item.name} of torchvision cannot be stored ({error}).") from error
