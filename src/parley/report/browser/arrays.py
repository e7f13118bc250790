"""Dialogues, bit statistics and attention weights as compact arrays for the browser page.

Letters of shapes: N dialogues, T exchanges, d bits a message, K candidates, D candidates shown, L cells, W words.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.metrics.conversations import Conversations
from parley.metrics.exchanges import log_probabilities, row_blocks
from parley.metrics.information import bit_information, entropy_bits

FINE, COARSE = 65535, 255
"""Quantisation steps from 0 to 1: of class and decision probabilities, and of bit probabilities."""
NUMBER_STEPS = 32767
"""Quantisation steps from 0 to the largest absolute value of continuous messages."""

Floats = NDArray[np.floating[Any]]


class Block(NamedTuple):
    """Arrays as text for the page."""

    layout: list[list[Any]]
    """One row an array: name, type (`u1`, `u2`, `u4`, `i2` or `f4`), shape, and offset in bytes."""
    text: str
    """Base64 of the deflated bytes, little-endian."""


def pack(arrays: Mapping[str, NDArray[Any]]) -> Block:
    """Concatenate arrays, widest types first so that each starts aligned."""
    layout: list[list[Any]] = []
    parts: list[bytes] = []
    start = 0
    for name, array in sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize):
        content = array.astype(array.dtype.newbyteorder("<")).tobytes()
        layout.append([name, f"{array.dtype.kind}{array.dtype.itemsize}", list(array.shape), start])
        parts.append(content)
        start += len(content)
    return Block(layout, base64.b64encode(zlib.compress(b"".join(parts), 9)).decode())


def fine(shares: Floats) -> NDArray[np.uint16]:
    """Round probabilities to 1/65535; off by 0.000008 at most."""
    return np.rint(np.clip(shares, 0, 1) * FINE).astype(np.uint16)


def coarse(shares: Floats) -> NDArray[np.uint8]:
    """Round probabilities to 1/255; off by 0.002 at most."""
    return np.rint(np.clip(shares, 0, 1) * COARSE).astype(np.uint8)


def packed_bits(messages: NDArray[Any]) -> NDArray[np.uint8]:
    """Pack bits [..., d] eight to a byte, the first one highest [..., ceil(d / 8)]."""
    return np.packbits(messages.astype(np.uint8), axis=-1)


def stepped(values: Floats, largest: float) -> NDArray[np.int16]:
    """Round numbers to steps of largest / 32767.

    Parameters
    ----------
    values
        Of absolute values up to `largest`.
    largest
        Above 0.
    """
    return np.asarray(np.rint(values / largest * NUMBER_STEPS), dtype=np.int16)


LEADERS = 5
"""Number of best candidates kept for each exchange, in addition to the true one."""

Arrays = dict[str, NDArray[Any]]


def conversation_bytes(exchanges: int, bits: int, candidates: int, continuous: bool, cells: int, words: int) -> int:
    """Return the bytes of one dialogue, including its attention over the given numbers of cells and words."""
    leaders = min(LEADERS, candidates)
    message = 2 * bits if continuous else bits + (bits + 7) // 8
    each = 4 * leaders + 2 + 2 + 2 + 1 + 2 * message
    each += (2 + cells if cells else 0) + (2 * (2 + words) if words else 0)
    return 4 + 2 + 2 + exchanges * each


def talk_arrays(said: Conversations, rows: NDArray[np.int64], images: Mapping[str, int]) -> tuple[Arrays, float]:
    """Pack dialogues as arrays, with the quantisation step of continuous messages.

    Parameters
    ----------
    said
        The dialogues; finite.
    rows
        Which of the conversations.
    images
        Number of each image on the page, by its key.

    Returns
    -------
    dict
        `image` [N], `target` [N] (the true class's column), `length` [N] in exchanges, `top` [N, T, L] (columns of
        the best candidates, best first), `top_share` [N, T, L] and `true_share` [N, T] (probabilities), `rank`
        [N, T] (of the true class, behind candidates of the very same score), `go_share` and `goes_on` [N, T]; and of
        each agent `<agent>_bits` and `<agent>_shares`, or where messages are continuous `<agent>_numbers`.
    float
        What a step of `<agent>_numbers` is; 0 where messages are bits.
    """
    targets = said.targets[rows]
    arrays: Arrays = {
        "image": np.array([images[said.keys[row]] for row in rows.tolist()], dtype=np.uint32),
        "target": targets.astype(np.uint16),
        "length": said.lengths[rows].astype(np.uint16),
        **_rankings(said, rows),
        "go_share": fine(said.go_on_probabilities[rows]),
        "goes_on": said.go_on[rows].astype(np.uint8),
    }
    step = 0.0
    if not said.binary:
        spoken = (said.sender_values[rows], said.receiver_values[rows])
        step = max((float(np.abs(values).max(initial=0.0)) for values in spoken), default=0.0) / NUMBER_STEPS or 1.0
    for agent in ("sender", "receiver"):
        values = getattr(said, f"{agent}_values")[rows]
        if said.binary:
            arrays[f"{agent}_bits"] = packed_bits(getattr(said, f"{agent}_messages")[rows])
            arrays[f"{agent}_shares"] = coarse(values)
        else:
            arrays[f"{agent}_numbers"] = stepped(values, step * NUMBER_STEPS)
    return arrays, step


def _rankings(said: Conversations, rows: NDArray[np.int64]) -> Arrays:
    """Return the arrays about candidates: `top`, `top_share`, `true_share` and `rank`."""
    shape = (len(rows), *said.scores.shape[1:])
    blocks = [_ranking(said.scores[rows[some]], said.targets[rows[some]]) for some in row_blocks(shape)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _ranking(scores: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> Arrays:
    shares = np.exp(log_probabilities(scores))
    own = np.take_along_axis(scores, targets[:, None, None], axis=-1)
    top = _leaders(scores, targets)
    return {
        "top": top.astype(np.uint16),
        "top_share": fine(np.take_along_axis(shares, top, axis=-1)),
        "true_share": fine(np.take_along_axis(shares, targets[:, None, None], axis=-1)[..., 0]),
        "rank": (scores >= own).sum(axis=-1).astype(np.uint16),
    }


def _leaders(scores: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the columns of the best candidates [N, T, L]; among ties the true class comes last, as in its rank."""
    columns = np.broadcast_to(np.arange(scores.shape[-1]), scores.shape)
    is_true = columns == targets[:, None, None]
    order = np.lexsort((columns, is_true, -scores), axis=-1)
    return np.asarray(order[..., :LEADERS])


def bit_bytes(bits: int, candidates: int, continuous: bool) -> int:
    """Return the size of `bit_arrays` in bytes."""
    return 4 * candidates + (0 if continuous else 4 * candidates * bits + 4 * bits)


def bit_arrays(said: Conversations) -> tuple[Arrays, float]:
    """Return each bit's rate per class, its information about the class, and the entropy of the classes, in bits.

    Returns
    -------
    dict
        `class_count` [K]: conversations about each class; and where messages are bits, `class_ones` [K, d]: of
        those, how many have the bit at 1 when they stop, and `information` [d] in bits, with the correction of
        Miller and Madow.
    float
        What a message that tells the class would tell.
    """
    count = np.bincount(said.targets, minlength=len(said.labels))
    arrays: Arrays = {"class_count": count.astype(np.uint32)}
    if said.binary:
        messages = said.final_messages.astype(np.int64)
        ones = np.zeros((len(said.labels), messages.shape[1]), dtype=np.int64)
        np.add.at(ones, said.targets, messages)
        arrays["class_ones"] = ones.astype(np.uint32)
        arrays["information"] = bit_information(messages, said.targets).astype(np.float32)
    return arrays, entropy_bits(said.targets)


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
