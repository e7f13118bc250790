"""The pictures behind a file: which they are by their keys, and where each came from by the manifests."""

import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from parley.core.errors import ParleyError
from parley.core.files import read_table
from parley.provenance.records import Record


class ImageSource(NamedTuple):
    """Where a picture came from."""

    key: str
    url: str
    sha256: str


def image_keys(path: str) -> list[str]:
    """Return the keys of the pictures that a file is about, each once; none where it does not tell."""
    try:
        if path.endswith(".hdf5"):
            return _keys_of_hdf5(path)
        if path.endswith(".tar"):
            with tarfile.open(path) as tar:
                return [Path(name).stem for name in tar.getnames()]
        if path.endswith(".tsv"):
            return list(dict.fromkeys(row["key"] for row in read_table(path, ["key"])))
    except (OSError, KeyError, tarfile.TarError, ParleyError):
        # What it is about cannot be told of a file that is damaged, or a table of something else.
        return []
    return []


def _keys_of_hdf5(path: str) -> list[str]:
    with h5py.File(path) as file:
        column = file["Predictions"]["ExampleId"] if "Predictions" in file else file["Key"][:]
    return [key.decode() if isinstance(key, bytes) else str(key) for key in dict.fromkeys(np.asarray(column).tolist())]


def image_sources(keys: Iterable[str], manifests: Iterable[str]) -> dict[str, ImageSource]:
    """Return where pictures came from, by key, as the manifests of their classes say."""
    wanted = set(keys)
    rows = (row for path in manifests if Path(path).exists() for row in read_table(path, ["url", "key", "sha256"]))
    return {row["key"]: ImageSource(row["key"], row["url"], row["sha256"]) for row in rows if row["key"] in wanted}


def image_origin(fetch: Record) -> tuple[str, str]:
    """Return in words what a fetch took pictures from, and the folder that its addresses lie below; empty for URLs."""
    source: Mapping[str, Any] = fetch.config.get("source", {})
    kind = source.get("kind", "")
    if kind == "world":
        # A picture's address is its place below the world: the class's folder, and its own name.
        drawn = next((str(Path(one.path).parents[1]) for one in fetch.inputs if one.role == "pictures"), "")
        return "drawn by draw_world", drawn
    section = source.get(kind, {})
    root = str(section.get("root") or section.get("local_root") or "")
    words = {"folder": "from your folder", "tars": "from your tars", "manifest": "by your table"}
    return words.get(kind, "from the web"), root
