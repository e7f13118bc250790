"""Collect the features of one split of an experiment, such as its test images, from the class files."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import h5py
import numpy as np

from parley.core.errors import Findings, ParleyError
from parley.core.files import written_aside
from parley.dataset.class_set import ImageClass, in_label_order
from parley.features.class_files import SAME_EVERYWHERE, VERSIONS, ClassFile, Column, reading_class_file

_ROWS_AT_ONCE = 256
SplitRows = Sequence[Mapping[str, str]]
ClassFiles = Mapping[str, str | Path]


def gather_part(
    rows: SplitRows,
    class_files: ClassFiles,
    classes: Sequence[ImageClass],
    out_path: str | Path,
    by_reference: bool = False,
) -> int:
    """Write the HDF5 file of a split, which contains the features of its images in the order of splits.tsv.

    Features are found by image key, never by position, and the image's SHA-256 must be that in splits.tsv.

    Parameters
    ----------
    rows
        The split's rows of splits.tsv (`class`, `key`, `sha256`), in the order of that file.
    class_files
        Path of each class's feature file, by class name.
    classes
        All classes of the class set, which determine the label ids.
    out_path
        File to write, with the datasets `Target` int64 [N], `Location` (``<class>/<key>.<ext>``), `Key` and `Sha256`
        bytes [N], and one per layer [N, 1, ...]. Its attributes contain the dataset name of each role, the class names
        in the order of label ids, and a description of the network, preprocessing and package versions.
    by_reference
        If True, do not copy features, but write HDF5 virtual datasets that refer to the class files, with paths
        relative to the folder of `out_path`. If a class file is deleted later, HDF5 returns NaN for its rows.

    Returns
    -------
    int
        Number of images, N.

    Raises
    ------
    ParleyError
        If a class has no file, class files are of different networks, or an image has no features or another SHA-256
        than in splits.tsv. The error lists all problems of the same kind.
    """
    if not rows:
        raise ParleyError(f"There are no images for {out_path}: splits.tsv has no row of this split.")
    label_ids = {image_class.name: label for label, image_class in enumerate(in_label_order(classes))}
    by_class: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        by_class.setdefault(row["class"], []).append(index)
    _check_classes(list(by_class), class_files, label_ids)
    members, columns, attributes = _join(rows, by_class, class_files)
    with written_aside(out_path) as aside, h5py.File(aside, "w") as out:
        _write_identities(out, rows, members, label_ids)
        if by_reference:
            _link_layers(out, rows, class_files, columns, Path(out_path).parent)
        else:
            _write_layers(out, rows, class_files, columns)
        out.attrs.update(attributes)
        out.attrs["classes"] = json.dumps(list(label_ids), ensure_ascii=False)
    return len(rows)


def _join(
    rows: SplitRows, by_class: Mapping[str, Sequence[int]], class_files: ClassFiles
) -> tuple[list[str], Mapping[str, Column], dict[str, str]]:
    """Return each image's file name in the tar, the layers' datasets, and the attributes that the class files share.

    One error reports all mismatches of a kind. Only one class file is open at a time, because open files are limited.
    """
    mixed, unjoined = Findings(), Findings()
    first: ClassFile | None = None
    members = [""] * len(rows)
    versions: dict[str, set[str]] = {name: set() for name in VERSIONS}
    for name, indices in by_class.items():
        with reading_class_file(class_files[name]) as file:
            first = first or file
            mixed.extend(_differences(first, file))
            unjoined.extend(_missing(name, [rows[index] for index in indices], file))
        for index in indices:
            found = file.row_of.get(rows[index]["key"])
            members[index] = "" if found is None else file.members[found]
        for package, known in versions.items():
            known.add(file.attributes.get(package, "unknown"))
    mixed.raise_if_any()
    unjoined.raise_if_any()
    assert first is not None
    joined = {name: ", ".join(sorted(known)) for name, known in versions.items() if known != {"unknown"}}
    return members, first.columns, {**first.attributes, **joined}


def _write_identities(out: h5py.File, rows: SplitRows, members: Sequence[str], label_ids: Mapping[str, int]) -> None:
    out["Target"] = np.array([label_ids[row["class"]] for row in rows], np.int64)
    out["Location"] = np.array([f"{row['class']}/{member}".encode() for row, member in zip(rows, members, strict=True)])
    out["Key"] = np.array([row["key"].encode() for row in rows], "S32")
    out["Sha256"] = np.array([row["sha256"].encode() for row in rows], "S64")


def _class_runs(rows: SplitRows, class_files: ClassFiles) -> Iterator[tuple[int, list[int], ClassFile]]:
    """For consecutive rows of a class, yield the index of the first, their rows in the class's file, and that file."""
    start = 0
    for name, run in groupby(rows, key=lambda row: row["class"]):
        with reading_class_file(class_files[name]) as file:
            source_rows = [file.row_of[row["key"]] for row in run]
            yield start, source_rows, file
        start += len(source_rows)


def _write_layers(out: h5py.File, rows: SplitRows, class_files: ClassFiles, columns: Mapping[str, Column]) -> None:
    for layer, column in columns.items():
        shape = (len(rows), 1, *column.shape)
        out.create_dataset(layer, shape, column.dtype, chunks=(1, *shape[1:]) if len(shape) > 3 else None)
    for start, source_rows, file in _class_runs(rows, class_files):
        for layer in columns:
            for first in range(0, len(source_rows), _ROWS_AT_ONCE):
                block = source_rows[first : first + _ROWS_AT_ONCE]
                out[layer][start + first : start + first + len(block)] = file.values(layer, block)


def _link_layers(
    out: h5py.File, rows: SplitRows, class_files: ClassFiles, columns: Mapping[str, Column], folder: Path
) -> None:
    """Write each layer as a virtual dataset that refers to the rows of the class files."""
    layouts = {name: h5py.VirtualLayout((len(rows), 1, *one.shape), one.dtype) for name, one in columns.items()}
    for start, source_rows, file in _class_runs(rows, class_files):
        path = os.path.relpath(file.path.resolve(), folder.resolve())
        for layer, column in columns.items():
            source = h5py.VirtualSource(path, layer, (len(file.row_of), 1, *column.shape), column.dtype)
            filled = start
            for first, length in _consecutive_runs(source_rows):
                layouts[layer][filled : filled + length] = source[first : first + length]
                filled += length
    for layer, layout in layouts.items():
        out.create_virtual_dataset(layer, layout, fillvalue=np.nan)


def _consecutive_runs(source_rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Divide row indices into runs of consecutive integers, and yield the first index and the length of each run."""
    for _, run in groupby(enumerate(source_rows), key=lambda pair: pair[1] - pair[0]):
        following = [row for _, row in run]
        yield following[0], len(following)


def _check_classes(names: Sequence[str], class_files: ClassFiles, label_ids: Mapping[str, int]) -> None:
    findings = Findings()
    for name in names:
        if name not in label_ids:
            findings.add(
                f"splits.tsv has images of {name!r}, which the class set lacks; remove splits.tsv and run again."
            )
        elif name not in class_files:
            findings.add(
                f"There is no file of features for the class {name!r}; run `uv run snakemake --cores 1 features`."
            )
    findings.raise_if_any()


def _differences(first: ClassFile, other: ClassFile) -> Iterator[str]:
    """Yield an error message for each difference in the networks or layers of two class files."""
    for name in SAME_EVERYWHERE:
        ours, theirs = (file.attributes.get(name, "absent") for file in (first, other))
        if ours != theirs:
            yield (
                f"{other.path} differs from {first.path} in {name} ({theirs}, not {ours}); "
                "remove the one that is out of date and run again."
            )
    if other.columns != first.columns:
        yield f"{other.path} and {first.path} have layers of different shapes; remove one and run again."


def _missing(name: str, wanted: SplitRows, file: ClassFile) -> Iterator[str]:
    """Yield an error message if images have no features, and one if images have another SHA-256 than in splits.tsv."""
    absent = [row["key"] for row in wanted if row["key"] not in file.row_of]
    changed = [
        row["key"]
        for row in wanted
        if row["key"] in file.row_of and file.sha256s[file.row_of[row["key"]]] != row["sha256"]
    ]
    if absent:
        why = file.unreadable.get(absent[0], "it was not in the tar")
        yield (
            f"Class {name!r}: {len(absent)} of {len(wanted)} images have no features in {file.path}, "
            f"the first is {absent[0]} ({why}); remove the class's tar and run again."
        )
    if changed:
        yield (
            f"Class {name!r}: {len(changed)} of {len(wanted)} images have other bytes than splits.tsv says, "
            f"the first is {changed[0]}; remove {file.path} and run again."
        )
