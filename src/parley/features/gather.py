"""The features of one part of an experiment, out of the files of its classes."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import h5py
import numpy as np

from parley.classes import ImageClass, in_label_order
from parley.errors import Findings, ParleyError
from parley.features.classfiles import ClassFile, reading_class_file
from parley.features.reuse import SAME_EVERYWHERE
from parley.files import written_aside

_VERSIONS = ("torch", "torchvision", "parley")
_ROWS_AT_ONCE = 256


def gather_part(
    rows: Sequence[Mapping[str, str]],
    class_files: Mapping[str, str | Path],
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
    names = list(dict.fromkeys(row["class"] for row in rows))
    _refuse_absent(names, class_files, label_ids)
    with ExitStack() as stack:
        files = {name: stack.enter_context(reading_class_file(class_files[name])) for name in names}
        _refuse_mixed(list(files.values()))
        _refuse_unjoined(rows, files)
        with written_aside(out_path) as aside, h5py.File(aside, "w") as out:
            _write_identities(out, rows, files, label_ids)
            if by_reference:
                _refer_to_layers(out, rows, files, Path(out_path).parent)
            else:
                _write_layers(out, rows, files)
            out.attrs.update(_common_attributes(list(files.values())))
            out.attrs["classes"] = json.dumps(list(label_ids), ensure_ascii=False)
    return len(rows)


def _write_identities(
    out: h5py.File, rows: Sequence[Mapping[str, str]], files: Mapping[str, ClassFile], label_ids: Mapping[str, int]
) -> None:
    out["Target"] = np.array([label_ids[row["class"]] for row in rows], np.int64)
    members = [files[row["class"]].members[files[row["class"]].places[row["key"]]] for row in rows]
    locations = [f"{row['class']}/{member}".encode() for row, member in zip(rows, members, strict=True)]
    out["Location"] = np.array(locations)
    out["Key"] = np.array([row["key"].encode() for row in rows], "S32")
    out["Sha256"] = np.array([row["sha256"].encode() for row in rows], "S64")


def _write_layers(out: h5py.File, rows: Sequence[Mapping[str, str]], files: Mapping[str, ClassFile]) -> None:
    for layer, column in next(iter(files.values())).columns.items():
        shape = (len(rows), 1, *column.shape)
        dataset = out.create_dataset(layer, shape, column.dtype, chunks=(1, *shape[1:]) if len(shape) > 3 else None)
        start = 0
        for name, run in groupby(rows, key=lambda row: row["class"]):
            places = [files[name].places[row["key"]] for row in run]
            for first in range(0, len(places), _ROWS_AT_ONCE):
                block = places[first : first + _ROWS_AT_ONCE]
                dataset[start : start + len(block)] = files[name].values(layer, block)
                start += len(block)


def _refer_to_layers(
    out: h5py.File, rows: Sequence[Mapping[str, str]], files: Mapping[str, ClassFile], folder: Path
) -> None:
    for layer, column in next(iter(files.values())).columns.items():
        layout = h5py.VirtualLayout((len(rows), 1, *column.shape), column.dtype)
        start = 0
        for name, run in groupby(rows, key=lambda row: row["class"]):
            file = files[name]
            path = os.path.relpath(file.path.resolve(), folder.resolve())
            source = h5py.VirtualSource(path, layer, (len(file.places), 1, *column.shape), column.dtype)
            for first, length in _stretches([file.places[row["key"]] for row in run]):
                layout[start : start + length] = source[first : first + length]
                start += length
        out.create_virtual_dataset(layer, layout, fillvalue=np.nan)


def _stretches(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first and length of each run of places that follow one another."""
    for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]):
        stretch = [place for _, place in run]
        yield stretch[0], len(stretch)


def _common_attributes(files: Sequence[ClassFile]) -> dict[str, str]:
    attributes = dict(files[0].attributes)
    for name in _VERSIONS:
        attributes[name] = ", ".join(sorted({file.attributes.get(name, "unknown") for file in files}))
    return attributes


def _refuse_absent(names: Sequence[str], class_files: Mapping[str, str | Path], label_ids: Mapping[str, int]) -> None:
    findings = Findings()
    for name in names:
        if name not in label_ids:
            findings.add(f"splits.tsv has images of {name!r}, which the class set lacks; make splits.tsv again.")
        elif name not in class_files:
            findings.add(f"There is no file of features for the class {name!r}; run `snakemake features`.")
    findings.raise_if_any()


def _refuse_mixed(files: Sequence[ClassFile]) -> None:
    first = files[0]
    findings = Findings()
    for other in files[1:]:
        for name in SAME_EVERYWHERE:
            ours, theirs = (file.attributes.get(name, "absent") for file in (first, other))
            if ours != theirs:
                findings.add(
                    f"{other.path} differs from {first.path} in {name} ({theirs}, not {ours}); "
                    "remove the one that is out of date and run again."
                )
        if other.columns != first.columns:
            findings.add(f"{other.path} and {first.path} hold layers of different shapes; remove one and run again.")
    findings.raise_if_any()


def _refuse_unjoined(rows: Sequence[Mapping[str, str]], files: Mapping[str, ClassFile]) -> None:
    """Say for each class which images of the split have no features, or features of other bytes."""
    findings = Findings()
    for name, file in files.items():
        wanted = [row for row in rows if row["class"] == name]
        absent = [row["key"] for row in wanted if row["key"] not in file.places]
        changed = [
            row["key"]
            for row in wanted
            if row["key"] in file.places and file.sha256s[file.places[row["key"]]] != row["sha256"]
        ]
        if absent:
            why = file.unreadable.get(absent[0], "it was not in the tar")
            findings.add(
                f"Class {name!r}: {len(absent)} of {len(wanted)} images have no features in {file.path}, "
                f"the first is {absent[0]} ({why}); remove the class's tar, so that it is made again."
            )
        if changed:
            findings.add(
                f"Class {name!r}: {len(changed)} of {len(wanted)} images have other bytes than splits.tsv says, "
                f"the first is {changed[0]}; remove {file.path} and run again."
            )
    findings.raise_if_any()
