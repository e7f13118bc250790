"""Read the feature file of a split, written by Parley or by the original implementation (Evtimova et al., 2018)."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.core.hdf5 import opened
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
        raise ParleyError(f"{path}: {layer} contains infinite values or NaN; remove the file and run again.")
    return FeatureRows(features.reshape(len(features), *row_shape), targets, keys, locations, labels)


def open_features(path: str | Path, layer: str) -> tuple["Rows", NDArray[np.int64], list[str]]:
    """Open one layer of a split for reading in batches; return its rows, and the label ids and keys of the images.

    The parameters and errors are the same as for `read_features`.
    """
    from parley.features.rows import open_rows

    with opened(path, "HDF5 file of features") as file:
        dataset, row_shape = _checked(file, path, layer)
        targets, keys, _, _ = _about_rows(file, path, dataset)
        return open_rows(path, dataset, row_shape), targets, keys


def _checked(file: h5py.File, path: str | Path, layer: str) -> tuple[h5py.Dataset, tuple[int, ...]]:
    """Check that a layer exists and is readable; return its dataset and the shape of one row."""
    dataset = _dataset_of(file, path, layer)
    _check_sources_exist(dataset, Path(path))
    return dataset, _row_shape(dataset, path)


def _about_rows(
    file: h5py.File, path: str | Path, dataset: h5py.Dataset
) -> tuple[NDArray[np.int64], list[str], list[str], list[str]]:
    """Return the label ids, keys and locations of the images, one for each row, and the class names by label id."""
    targets = np.asarray(file["Target"][:], np.int64)
    locations = _texts(file["Location"])
    keys = _texts(file["Key"]) if "Key" in file else [image_key(location) for location in locations]
    lengths = {"Target": len(targets), "Location": len(locations), "Key": len(keys), dataset.name[1:]: len(dataset)}
    if len(set(lengths.values())) != 1 or targets.ndim != 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ParleyError(f"{path}: the datasets differ in their number of rows ({listed}); make the file again.")
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
            if name in file:
                shapes[role] = _row_shape(file[name], path)
    return shapes


def _name_of(file: h5py.File, layer: str) -> str:
    return str(file.attrs.get(layer, ORIGINAL_NAMES.get(layer, layer)))


def _dataset_of(file: h5py.File, path: str | Path, layer: str) -> h5py.Dataset:
    name = _name_of(file, layer)
    missing = [wanted for wanted in ("Target", "Location", name) if not isinstance(file.get(wanted), h5py.Dataset)]
    if missing:
        advice = "Make it with this layer (features.layers), or use a file in the original implementation's format."
        if name not in missing:
            advice = "For each image, Target must contain its label id and Location its name."
        raise ParleyError(f"{path} has no {', '.join(missing)}; it has {', '.join(file) or 'nothing'}. {advice}")
    return file[name]


def files_referred_to(path: Path) -> set[Path]:
    """Return the files that the virtual datasets of a feature file refer to."""
    with opened(path, "HDF5 file of features") as file:
        datasets = [one for one in file.values() if isinstance(one, h5py.Dataset)]
        return {source for dataset in datasets for source in _sources(dataset, path)}


def _sources(dataset: h5py.Dataset, path: Path) -> set[Path]:
    """Return the files that a dataset of a feature file refers to; the set is empty unless the dataset is virtual."""
    return {path.parent / source.file_name for source in dataset.virtual_sources()} if dataset.is_virtual else set()


def _check_sources_exist(dataset: h5py.Dataset, path: Path) -> None:
    """Raise an error if a virtual dataset refers to missing files, because HDF5 would return NaN for their rows."""
    if lost := sorted(str(source) for source in _sources(dataset, path) if not source.is_file()):
        raise ParleyError(
            f"{path} refers to {len(lost)} files that are gone, the first is {os.path.normpath(lost[0])}; "
            "run `uv run snakemake --cores 1 features`, and set features.gather to copy if these files cannot be kept."
        )


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


def _texts(dataset: h5py.Dataset) -> list[str]:
    """Return the values of a dataset as texts. Unlike `parley.core.hdf5.texts`, accept numbers, as users' files may."""
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in dataset[:]]
