"""Attention weights as compact arrays for the browser page.

Letters of shapes: N conversations, T exchanges, L cells, D candidates, W words.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.report.browser.packing import coarse, fine
from parley.report.browser.talks import Arrays


def attention_arrays(
    path: Path, keys: Sequence[str], columns: NDArray[np.int64]
) -> tuple[Arrays, list[int], list[list[str]]]:
    """Pack the attention weights of some dialogues.

    Parameters
    ----------
    path
        ``attention.hdf5``.
    keys
        Of the images of the conversations [N].
    columns
        Of each conversation the true class and the one named [N, 2]: the words of other descriptions are left out.

    Returns
    -------
    dict
        `cells` [N, T, L] and `words` [N, T, 2, W], where the Sender and the Receiver attend: weights over the largest
        of their exchange (and description), in 255 steps; `cells_most` [N, T] and `words_most` [N, T, 2] are those.
    list of int
        Height and width of the cells' grid; empty where it is not known.
    list of list of str
        The words of each candidate's description, in the order of their weights.
    """
    try:
        with h5py.File(path, "r") as file:
            row_of = {key.decode("utf-8", "replace"): row for row, key in enumerate(file["Key"][:])}
            if missing := [key for key in keys if key not in row_of]:
                raise ParleyError(f"{path} lacks the image {missing[0]!r}; make it again with the messages stage.")
            rows = [row_of[key] for key in keys]
            return _arrays(file, rows, columns), _grid(file), _words(file)
    except (OSError, KeyError) as error:
        raise ParleyError(f"{path} is not a whole file of attention ({error}); make it again.") from error


def seen_share(part: str | Path | None) -> float:
    """Return the fraction of an image's shorter side that the network saw, from the HDF5 file; 1 if absent."""
    if part is None:
        return 1.0
    with h5py.File(part, "r") as file:
        told = json.loads(file.attrs.get("preprocessing", "{}"))
    return float(told["crop_px"] / told["resize_px"]) if "crop_px" in told else 1.0


def _arrays(file: h5py.File, rows: Sequence[int], columns: NDArray[np.int64]) -> Arrays:
    found: Arrays = {}
    if "Sender" in file:
        found["cells"], found["cells_most"] = _of_largest(_chosen(file["Sender"], [(row,) for row in rows]))
    if "Receiver" in file:
        both = [(row, slice(None), pair) for row, pair in zip(rows, columns.tolist(), strict=True)]
        found["words"], found["words_most"] = _of_largest(_chosen(file["Receiver"], both))
    return found


def _chosen(dataset: h5py.Dataset, places: Sequence[tuple[Any, ...]]) -> NDArray[np.float64]:
    """Read dialogues one at a time, since weights over all words of all descriptions may not fit in memory."""
    taken = []
    for row, *rest in places:
        one = dataset[row].astype(np.float64)
        taken.append(one[tuple(rest)] if rest else one)
    return np.stack(taken) if taken else np.zeros((0, *dataset.shape[1:]))


def _of_largest(weights: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    most = weights.max(axis=-1)
    return coarse(weights / np.maximum(most, 1e-12)[..., None]), fine(most)


def _grid(file: h5py.File) -> list[int]:
    if "Sender" not in file or "height" not in file["Sender"].attrs:
        return []
    return [int(file["Sender"].attrs[name]) for name in ("height", "width")]


def _words(file: h5py.File) -> list[list[str]]:
    if "Words" not in file:
        return []
    return [[word for word in row if word] for row in file["Words"].asstr()[:].tolist()]
