"""Read the feature file of a split, written by Parley or by the original implementation (Evtimova et al., 2018)."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.core.files import remedy
from parley.core.hdf5 import check_item, check_whole, opened, sources
from parley.dataset.listing import image_key

if TYPE_CHECKING:
    from parley.features.rows import Rows

# Dataset name of each role in files without attributes for it, such as those of the original implementation.
ORIGINAL_NAMES = {"pooled": "avgpool_512", "map": "layer4_2", "logits": "fc"}


class FeatureRows(NamedTuple):
    """Features, labels and identities of the N images of a split."""

    features: NDArray[np.float32]  # [N, C] for vectors, [N, C, h, w] for maps
    targets: NDArray[np.int64]  # [N], label ids
    keys: list[str]  # image keys; if the file has no keys, they are computed from the locations
    locations: list[str]  # paths of the images, as recorded in the file
    labels: list[str]  # class names by label id; empty if the file does not list them


def read_features(path: str | Path, layer: str) -> FeatureRows:
    """Read one layer of a split into memory.

    Parameters
    ----------
    path
        The split's HDF5 file.
    layer
        Role of the layer (``pooled``, ``map``, ``logits``) or name of its dataset.

    Raises
    ------
    ParleyError
        If the file is missing, truncated, not a feature file, lacks the layer, or has values that are not finite.
    """
    with opened(path, "HDF5 file of features") as file:
        dataset, row_shape = _checked(file, path, layer)
        targets, keys, locations, labels = _about_rows(file, path, dataset)
        features: NDArray[np.float32] = dataset.astype(np.float32)[:]
        if not np.isfinite(features).all():
            raise ParleyError(not_finite(path, dataset))
    return FeatureRows(features.reshape(len(features), *row_shape), targets, keys, locations, labels)


def same_images(
    path: str | Path, keys: Sequence[str], vectors: Sequence[bytes], earlier: Iterable[str | Path]
) -> list[str]:
    """Return a sentence for each sign that a split has an image twice, or shares images with an earlier split.

    Parameters
    ----------
    path
        Path of the split's feature file, for the sentences.
    keys, vectors
        The split, as `read_images` returns it.
    earlier
        Paths of the feature files of the earlier splits.
    """
    count, found = len(keys), [one for one in [repeated_names(path, keys)] if one]
    for other in earlier:
        other_keys, other_vectors = read_images(other)
        names, looks = set(other_keys), set(other_vectors)
        named, same = (sum(one in names for one in keys), sum(row in looks for row in vectors))
        if same or named:
            found.append(
                f"{path}: {named} of {count} images have the names, and {same} the features, of images of the "
                f"{Path(other).stem} split; remove images from one of the splits if they are in both, because results "
                "on images seen in training say little, or give different images different names."
            )
    return found


def repeated_names(path: str | Path, keys: Sequence[str]) -> str:
    """Return a sentence if images of a feature file have the same key; otherwise an empty string."""
    if not (repeated := len(keys) - len(set(keys))):
        return ""
    return (
        f"{path}: {repeated} of {len(keys)} images share their name (Key or, if there is none, Location) with "
        "another image. Results list images by name; give each image a unique name."
    )


def open_features(path: str | Path, layer: str) -> tuple["Rows", NDArray[np.int64], list[str]]:
    """Open one layer of a split for reading in batches; return its rows, and the label ids and keys of the images.

    The parameters and errors are the same as for `read_features`.
    """
    from parley.features.rows import open_rows

    with opened(path, "HDF5 file of features") as file:
        dataset, row_shape = _checked(file, path, layer)
        targets, keys, _, _ = _about_rows(file, path, dataset)
        return open_rows(path, dataset, row_shape), targets, keys


def not_finite(path: str | Path, dataset: h5py.Dataset) -> str:
    """Return an error message that names the first row of a layer with a value that float32 cannot hold."""
    for row in range(len(dataset)):
        values = np.asarray(dataset[row])
        with np.errstate(over="ignore"):
            wrong = values[~np.isfinite(values.astype(np.float32))]
        if wrong.size:
            beyond = ", too large for float32" if np.isfinite(wrong[0]) else ""
            where = f"{dataset.name[1:]} contains {wrong[0]}{beyond} in row {row} (counted from 0)"
            return f"{path}: {where}; every feature must be a finite number: {remedy(path)}."
    return f"{path}: {dataset.name[1:]} changes while it is read; run again."


def read_images(path: str | Path) -> tuple[list[str], list[bytes]]:
    """Return the key of each image in a feature file, and the bytes of its vector in the first dataset of vectors.

    Whether the vectors are finite is not checked, because no run may need them. Without vectors, the list is empty.
    """
    with opened(path, "HDF5 file of features") as file:
        rows = _dataset_of(file, path, "Target")
        names = [_name_of(file, "pooled"), _name_of(file, "logits"), *file]
        for found in (file[name] for name in names if isinstance(file.get(name), h5py.Dataset)):
            if found.dtype.kind == "f" and len(found.shape or ()) in (2, 3):
                _check_whole(found, path)
                keys = _about_rows(file, path, found)[1]
                return keys, [row.tobytes() for row in found.astype(np.float32)[:]]
        return _about_rows(file, path, rows)[1], []


class Examined(NamedTuple):
    """What a feature file contains, without the values of its layers, and what is wrong with it."""

    widths: dict[str, int]
    """Number of channels of each layer."""
    label_ids: set[int]
    problems: list[str]
    """An error message for each layer that cannot be used; the other fields are then incomplete."""


def examine_features(path: str | Path, layers: Iterable[str]) -> Examined:
    """Check layers of a feature file, without reading their values."""
    widths, label_ids, problems = dict[str, int](), set[int](), list[str]()
    try:
        with opened(path, "HDF5 file of features") as file:
            for layer in layers:
                try:
                    widths[layer] = _checked(file, path, layer)[1][0]
                except ParleyError as error:
                    problems += error.findings
            if not problems:
                label_ids = set(_label_ids(_column(file, path, "Target"), path).tolist())
    except ParleyError as error:
        problems += error.findings
    return Examined(widths, label_ids, list(dict.fromkeys(problems)))


def vector_layer(path: str | Path, layers: Sequence[str]) -> str:
    """Return the first of the layers that a feature file has, and as one vector per image."""
    with opened(path, "HDF5 file of features") as file:
        for layer in layers:
            found = file.get(_name_of(file, layer))
            if isinstance(found, h5py.Dataset) and len(_row_shape(found, path)) == 1:
                return layer
        wanted = ", ".join(layers) or "pooled, logits"
        raise ParleyError(
            f"{path} has no vectors ({wanted}), only {', '.join(file) or 'nothing'}, so no linear classifier can be "
            "trained; add one of them, or leave out the target difficulty and the claim length_with_difficulty."
        )


def _checked(file: h5py.File, path: str | Path, layer: str) -> tuple[h5py.Dataset, tuple[int, ...]]:
    """Check that a layer exists and is readable; return its dataset and the shape of one row."""
    dataset = _dataset_of(file, path, layer)
    _check_whole(dataset, path)
    return dataset, _row_shape(dataset, path)


def _about_rows(
    file: h5py.File, path: str | Path, dataset: h5py.Dataset
) -> tuple[NDArray[np.int64], list[str], list[str], list[str]]:
    """Return the label ids, keys and locations of the images, one for each row, and the class names by label id."""
    targets = _label_ids(_column(file, path, "Target"), path)
    locations = _texts(_column(file, path, "Location"), path)
    keys = _texts(_column(file, path, "Key"), path) if "Key" in file else [image_key(one) for one in locations]
    lengths = {"Target": len(targets), "Location": len(locations), "Key": len(keys), dataset.name[1:]: len(dataset)}
    if len(set(lengths.values())) != 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ParleyError(f"{path}: the datasets differ in their number of rows ({listed}); {remedy(path)}.")
    if not len(targets):
        raise ParleyError(f"{path} contains no images; choose another file.")
    if 0 in dataset.shape:
        raise ParleyError(f"{path}: {dataset.name[1:]} has the shape {dataset.shape}, without a value; {remedy(path)}.")
    try:
        return targets, keys, locations, [str(name) for name in json.loads(file.attrs.get("classes", "[]"))]
    except (ValueError, TypeError, RecursionError) as error:
        raise ParleyError(f"{path}: the attribute classes is not a list of names ({error}); make it again.") from error


def layer_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of one image's features, ``[C]`` or ``[C, h, w]``, by role, without reading the features."""
    shapes = {}
    with opened(path, "HDF5 file of features") as file:
        for role in ORIGINAL_NAMES:
            name = _name_of(file, role)
            if isinstance(item := file.get(name), h5py.Dataset):
                shapes[role] = _row_shape(item, path)
    return shapes


def _name_of(file: h5py.File, layer: str) -> str:
    return str(file.attrs.get(layer, ORIGINAL_NAMES.get(layer, layer)))


def _dataset_of(file: h5py.File, path: str | Path, layer: str) -> h5py.Dataset:
    name = _name_of(file, layer)
    check_item(file, name, path)
    missing = [wanted for wanted in ("Target", "Location", name) if not isinstance(file.get(wanted), h5py.Dataset)]
    if missing:
        for one in missing:
            if one in list(file) or one in file:
                kind = "a link that leads nowhere" if file.get(one) is None else "a group"
                raise ParleyError(f"{path}: {one} is {kind}; it must be a dataset: {remedy(path)}.")
        advice = "Make it with this layer, or set game.image_layer to one that it has."
        if layer == "logits":
            advice = "Make it with this layer, or, if its network has no logits, set game.attention_context to false."
        if name not in missing:
            advice = "For each image, Target must contain its label id and Location its name."
        raise ParleyError(f"{path} has no {', '.join(missing)}; it has {', '.join(file) or 'nothing'}. {advice}")
    return file[name]


def files_referred_to(path: Path) -> set[Path]:
    """Return the files that the virtual datasets of a feature file refer to."""
    with opened(path, "HDF5 file of features") as file:
        datasets = [one for one in file.values() if isinstance(one, h5py.Dataset)]
        return {source for dataset in datasets for source in sources(dataset, path)}


def _check_whole(dataset: h5py.Dataset, path: str | Path) -> None:
    """Call `parley.core.hdf5.check_whole` with advice for files that Parley wrote."""
    fix = "run `uv run snakemake --cores 1 features`, and set features.gather to copy if the other files cannot be kept"
    # An attribute of the files that `gather_features` writes.
    check_whole(dataset, path, fix if "classes" in dataset.file.attrs else "")


def _row_shape(dataset: h5py.Dataset, path: str | Path) -> tuple[int, ...]:
    """Return the shape of a row: `[C]` or `[C, h, w]`, without the original implementation's axis of length 1."""
    shape = tuple(dataset.shape[1:])
    if len(shape) in (2, 4) and shape[0] == 1:
        shape = shape[1:]
    if len(shape) not in (1, 3) or dataset.dtype.kind != "f":
        raise ParleyError(
            f"{path}: {dataset.name[1:]} is {dataset.dtype} {dataset.shape}; it must be floats, "
            "[N, 1, C] or [N, 1, C, h, w]."
        )
    return shape


def _column(file: h5py.File, path: str | Path, name: str) -> h5py.Dataset:
    """Return a dataset that has one value for each image."""
    column = file[name]
    if not isinstance(column, h5py.Dataset) or column.shape is None or len(column.shape) != 1:
        kind = f"of shape {column.shape}" if isinstance(column, h5py.Dataset) else "a group"
        raise ParleyError(f"{path}: {name} is {kind}; it must be [N], with one value for each image: {remedy(path)}.")
    _check_whole(column, path)
    return column


def _label_ids(column: h5py.Dataset, path: str | Path) -> NDArray[np.int64]:
    """Return the label ids of the images: non-negative integers, stored as integers, floats or text."""
    values = np.asarray(column[:])
    if values.dtype.kind in "SO":  # Text.
        texts = [str(one, "utf-8", "replace") if isinstance(one, bytes) else str(one) for one in values]
        values = np.array([int(one) if one.isascii() and one.isdigit() and len(one) < 16 else -1 for one in texts])
    if values.dtype.kind not in "iuf":
        raise ParleyError(f"{path}: Target is {column.dtype}; it must be integers, the label ids of the images.")
    with np.errstate(invalid="ignore"):
        ids = values.astype(np.int64)
    wrong = np.flatnonzero((ids != values) | (ids < 0) | ~np.isfinite(values))
    if wrong.size:
        row = int(wrong[0])
        raise ParleyError(
            f"{path}: Target is {column[row]} in row {row} (counted from 0; {wrong.size} such rows), but a label id is "
            "a non-negative integer; correct it in this file and in descriptions.csv."
        )
    return ids


def _texts(column: h5py.Dataset, path: str | Path) -> list[str]:
    """Return the values of a dataset as texts. Unlike `parley.core.hdf5.texts`, accept numbers, as users' files may."""
    found = []
    for row, value in enumerate(column[:]):
        try:
            found.append(value.decode("utf-8") if isinstance(value, bytes) else str(value))
        except UnicodeDecodeError as error:
            where = f"{column.name[1:]} of row {row} (counted from 0)"
            raise ParleyError(f"{path}: {where} is not UTF-8 text ({value[:60]!r}); {remedy(path)}.") from error
    return found
