"""What an experiment leaves, in a form that two runs of it can be compared by: without the times of day in it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# Keys of JSON whose values are measured by the clock.
TIMED = {"seconds", "seconds_per_step", "images_per_second", "steps_per_second", "wall_s"}
LEFT_OUT = {"logs", "benchmarks"}


def artefacts(folder: Path) -> dict[str, Any]:
    """Return the content of every file below an experiment's folder, by relative path."""
    return {
        str(path.relative_to(folder)): content_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in LEFT_OUT and path.name[0] != "."
    }


def content_of(path: Path) -> Any:
    """Return a file's bytes; of HDF5 all values, of JSON all but times."""
    if path.suffix == ".hdf5":
        with h5py.File(path) as file:
            return dict(_values(file))
    if path.suffix == ".json":
        return _untimed(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [_untimed(json.loads(line)) for line in path.read_text().splitlines()]
    return path.read_bytes()


def _values(file: h5py.File) -> Iterator[tuple[str, Any]]:
    names: list[str] = []
    file.visit(names.append)
    for name in ["/", *names]:
        yield f"{name} attributes", {key: np.asarray(value).tolist() for key, value in file[name].attrs.items()}
        if isinstance(file[name], h5py.Dataset):
            yield name, (file[name].dtype.str, file[name].shape, file[name][()].tobytes())


def _untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _untimed(one) for key, one in value.items() if key not in TIMED}
    return [_untimed(one) for one in value] if isinstance(value, list) else value
