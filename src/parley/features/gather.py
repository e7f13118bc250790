"""The features of one part of an experiment, out of the files of its classes."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from parley.core.errors import Findings, ParleyError
from parley.core.files import written_aside
from parley.dataset.class_set import ImageClass, in_label_order
from parley.features.classfiles import ClassFile, Column, reading_class_file
from parley.features.reuse import SAME_EVERYWHERE

_VERSIONS = ("torch", "torchvision", "parley")
_ROWS_AT_ONCE = 256
Rows = Sequence[Mapping[str, str]]
ClassFiles = Mapping[str, str | Path]


def gather_part(
    rows: Rows,
    class_files: ClassFiles,
    classes: Sequence[ImageClass],
    out_path: str | Path,
    by_reference: bool = False,
) -> int:
    """Write the HDF5 file of a part: the rows of splits.tsv, with the features of the images they name.

    Rows and features are joined by key and checked by SHA-256, never by position.

    Parameters
    ----------
    rows
        The part's rows of splits.tsv (`class`, `key`, `sha256`), in their order.
    class_files
        The class file of each class's name.
    classes
        The class set, which gives the label ids.
    out_path
        Gets `Target` int64 [N], `Location` (``<class>/<key>.<ext>``), `Key` and `Sha256` bytes [N],
        and each layer [N, 1, ...]; its attributes name the dataset of each role, say where the
        numbers come from, and list the classes by label id.
    by_reference
        Let the layers refer to the rows of the class files (HDF5 virtual datasets, with paths relative
        to `out_path`) in place of copying them. Rows whose file is gone read as NaN.

    Returns
    -------
    int
        N.

    Raises
    ------
    ParleyError
        With every finding: a class without a file, files of different networks, images without
        features or of other bytes.
    """
    if not rows:
        raise ParleyError(f"There is no image to put into {out_path}: splits.tsv has no row of this part.")
    label_ids = {image_class.name: label for label, image_class in enumerate(in_label_order(classes))}
    by_class = _by_class(rows)
    _refuse_absent(list(by_class), class_files, label_ids)
    joined = _join(rows, by_class, class_files)
    with written_aside(out_path) as aside, h5py.File(aside, "w") as out:
        _write_identities(out, rows, joined.members, label_ids)
        if by_reference:
            _refer_to_layers(out, rows, class_files, joined.columns, Path(out_path).parent)
        else:
            _write_layers(out, rows, class_files, joined.columns)
        out.attrs.update(joined.attributes)
        out.attrs["classes"] = json.dumps(list(label_ids), ensure_ascii=False)
    return len(rows)


class _Joined(NamedTuple):
    """What the class files of a part say, each opened once: there may be more of them than open files allowed.

    Attributes
    ----------
    members
        Of each row: its file's name in the tar.
    columns
        The datasets of features.
    attributes
        What the numbers come from.
    """

    members: list[str]
    columns: Mapping[str, Column]
    attributes: dict[str, str]


def _by_class(rows: Rows) -> dict[str, list[int]]:
    """Return the places of each class's rows."""
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row["class"], []).append(place)
    return places


def _join(rows: Rows, by_class: Mapping[str, Sequence[int]], class_files: ClassFiles) -> _Joined:
    """Find the row of every image in the file of its class; all that does not fit is told at once."""
    mixed, unjoined = Findings(), Findings()
    first: ClassFile | None = None
    members = [""] * len(rows)
    versions: dict[str, set[str]] = {name: set() for name in _VERSIONS}
    for name, places in by_class.items():
        with reading_class_file(class_files[name]) as file:
            first = first or file
            mixed.extend(_differences(first, file))
            unjoined.extend(_unjoined(name, [rows[place] for place in places], file))
        for place in places:
            found = file.places.get(rows[place]["key"])
            members[place] = "" if found is None else file.members[found]
        for package, known in versions.items():
            known.add(file.attributes.get(package, "unknown"))
    mixed.raise_if_any()
    unjoined.raise_if_any()
    assert first is not None
    return _Joined(
        members,
        first.columns,
        {**first.attributes, **{name: ", ".join(sorted(known)) for name, known in versions.items()}},
    )


def _write_identities(out: h5py.File, rows: Rows, members: Sequence[str], label_ids: Mapping[str, int]) -> None:
    out["Target"] = np.array([label_ids[row["class"]] for row in rows], np.int64)
    out["Location"] = np.array([f"{row['class']}/{member}".encode() for row, member in zip(rows, members, strict=True)])
    out["Key"] = np.array([row["key"].encode() for row in rows], "S32")
    out["Sha256"] = np.array([row["sha256"].encode() for row in rows], "S64")


def _runs(rows: Rows, class_files: ClassFiles) -> Iterator[tuple[int, list[int], ClassFile]]:
    """Yield each stretch of rows of one class: where it begins, its rows' places in the class's file, and the file."""
    start = 0
    for name, run in groupby(rows, key=lambda row: row["class"]):
        with reading_class_file(class_files[name]) as file:
            places = [file.places[row["key"]] for row in run]
            yield start, places, file
        start += len(places)


def _write_layers(out: h5py.File, rows: Rows, class_files: ClassFiles, columns: Mapping[str, Column]) -> None:
    for layer, column in columns.items():
        shape = (len(rows), 1, *column.shape)
        out.create_dataset(layer, shape, column.dtype, chunks=(1, *shape[1:]) if len(shape) > 3 else None)
    for start, places, file in _runs(rows, class_files):
        for layer in columns:
            for first in range(0, len(places), _ROWS_AT_ONCE):
                block = places[first : first + _ROWS_AT_ONCE]
                out[layer][start + first : start + first + len(block)] = file.values(layer, block)


def _refer_to_layers(
    out: h5py.File, rows: Rows, class_files: ClassFiles, columns: Mapping[str, Column], folder: Path
) -> None:
    layouts = {name: h5py.VirtualLayout((len(rows), 1, *one.shape), one.dtype) for name, one in columns.items()}
    for start, places, file in _runs(rows, class_files):
        path = os.path.relpath(file.path.resolve(), folder.resolve())
        for layer, column in columns.items():
            source = h5py.VirtualSource(path, layer, (len(file.places), 1, *column.shape), column.dtype)
            filled = start
            for first, length in _stretches(places):
                layouts[layer][filled : filled + length] = source[first : first + length]
                filled += length
    for layer, layout in layouts.items():
        out.create_virtual_dataset(layer, layout, fillvalue=np.nan)


def _stretches(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first and length of each run of places that follow one another."""
    for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]):
        stretch = [place for _, place in run]
        yield stretch[0], len(stretch)


def _refuse_absent(names: Sequence[str], class_files: ClassFiles, label_ids: Mapping[str, int]) -> None:
    findings = Findings()
    for name in names:
        if name not in label_ids:
            findings.add(f"splits.tsv has images of {name!r}, which the class set lacks; make splits.tsv again.")
        elif name not in class_files:
            findings.add(f"There is no file of features for the class {name!r}; run `snakemake features`.")
    findings.raise_if_any()


def _differences(first: ClassFile, other: ClassFile) -> Iterator[str]:
    """Say in what a class file is of another network than the first one."""
    for name in SAME_EVERYWHERE:
        ours, theirs = (file.attributes.get(name, "absent") for file in (first, other))
        if ours != theirs:
            yield (
                f"{other.path} differs from {first.path} in {name} ({theirs}, not {ours}); "
                "remove the one that is out of date and run again."
            )
    if other.columns != first.columns:
        yield f"{other.path} and {first.path} hold layers of different shapes; remove one and run again."


def _unjoined(name: str, wanted: Rows, file: ClassFile) -> Iterator[str]:
    """Say which images of a class have no features, or features of other bytes."""
    absent = [row["key"] for row in wanted if row["key"] not in file.places]
    changed = [
        row["key"]
        for row in wanted
        if row["key"] in file.places and file.sha256s[file.places[row["key"]]] != row["sha256"]
    ]
    if absent:
        why = file.unreadable.get(absent[0], "it was not in the tar")
        yield (
            f"Class {name!r}: {len(absent)} of {len(wanted)} images have no features in {file.path}, "
            f"the first is {absent[0]} ({why}); remove the class's tar, so that it is made again."
        )
    if changed:
        yield (
            f"Class {name!r}: {len(changed)} of {len(wanted)} images have other bytes than splits.tsv says, "
            f"the first is {changed[0]}; remove {file.path} and run again."
        )
