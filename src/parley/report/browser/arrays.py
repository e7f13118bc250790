"""Encode dialogues, statistics of bits and attention weights as compact arrays for the browser page.

Probabilities take one or two bytes, bits are packed eight to a byte, and all arrays of a file are compressed together.
Shapes: N dialogues, T exchanges, d bits per message, K candidates, D stored candidates, L grid cells, W words.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.metrics.conversations import Conversations
from parley.metrics.exchanges import log_probabilities, row_blocks
from parley.metrics.information import bit_information, entropy_bits

FINE, COARSE = 65535, 255
"""Numbers of quantisation steps from 0 to 1: `FINE` for classes and decisions, `COARSE` for bits."""
NUMBER_STEPS = 32767
"""Number of quantisation steps from 0 to the largest absolute value of continuous messages."""
LEADERS = 5
"""Maximum number of candidate classes stored for each exchange, best first; the true class is stored separately."""

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.floating[Any]]


def pack(arrays: Mapping[str, NDArray[Any]]) -> tuple[list[list[Any]], str]:
    """Concatenate and compress arrays, widest types first so that each array starts at an aligned offset.

    Returns
    -------
    list
        For each array: name, type (`u1`, `u2`, `u4`, `i2` or `f4`), shape, and offset in bytes.
    str
        The little-endian bytes of all arrays, compressed with zlib and encoded in base64.
    """
    layout: list[list[Any]] = []
    parts: list[bytes] = []
    start = 0
    for name, array in sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize):
        content = array.astype(array.dtype.newbyteorder("<")).tobytes()
        layout.append([name, f"{array.dtype.kind}{array.dtype.itemsize}", list(array.shape), start])
        parts.append(content)
        start += len(content)
    return layout, base64.b64encode(zlib.compress(b"".join(parts), 9)).decode()


def fine(probabilities: Floats) -> NDArray[np.uint16]:
    """Return probabilities as integer multiples of 1/65535; the error is at most 0.000008."""
    return np.rint(np.clip(probabilities, 0, 1) * FINE).astype(np.uint16)


def coarse(probabilities: Floats) -> NDArray[np.uint8]:
    """Return probabilities as integer multiples of 1/255; the error is at most 0.002."""
    return np.rint(np.clip(probabilities, 0, 1) * COARSE).astype(np.uint8)


def packed_bits(messages: NDArray[Any]) -> NDArray[np.uint8]:
    """Pack bits [..., d] into bytes [..., ceil(d / 8)]; the first bit becomes the most significant."""
    return np.packbits(messages.astype(np.uint8), axis=-1)


def stepped(values: Floats, largest: float) -> NDArray[np.int16]:
    """Quantise numbers between -`largest` and `largest`: divide them by `largest` / 32767 and round to integers."""
    return np.asarray(np.rint(values / largest * NUMBER_STEPS), dtype=np.int16)


def dialogue_bytes(exchanges: int, bits: int, candidates: int, continuous: bool, cells: int, words: int) -> int:
    """Return the size of one dialogue in bytes, including its attention weights for `cells` cells and `words` words."""
    leaders = min(LEADERS, candidates)
    message = 2 * bits if continuous else bits + (bits + 7) // 8
    each = 4 * leaders + 2 + 2 + 2 + 1 + 2 * message
    each += (2 + cells if cells else 0) + (2 * (2 + words) if words else 0)
    return 4 + 2 + 2 + exchanges * each


def dialogue_arrays(
    dialogues: Conversations, rows: NDArray[np.int64], images: Mapping[str, int]
) -> tuple[Arrays, float]:
    """Return the chosen dialogues of a file as arrays.

    Parameters
    ----------
    dialogues
        The dialogues of a file; all values must be finite.
    rows
        Row numbers [N] of the chosen dialogues in the file.
    images
        Image key → index of the image on the page.

    Returns
    -------
    dict
        `image` [N] (index of the image), `target` [N] (column of the true class), `length` [N] in exchanges, `top`
        [N, T, D] (columns of the best candidates, best first), `top_probability` [N, T, D], `true_probability` [N, T],
        `rank` [N, T] (rank of the true class; the last rank if scores are tied), `go_on_probability` and
        `goes_on` [N, T]; for each agent, `<agent>_bits` and `<agent>_probabilities`, or, if messages are continuous,
        `<agent>_numbers`.
    float
        Quantisation step of `<agent>_numbers`; 0 if messages are bits.
    """
    arrays: Arrays = {
        "image": np.array([images[dialogues.keys[row]] for row in rows.tolist()], dtype=np.uint32),
        "target": dialogues.targets[rows].astype(np.uint16),
        "length": dialogues.lengths[rows].astype(np.uint16),
        **_rankings(dialogues, rows),
        "go_on_probability": fine(dialogues.go_on_probabilities[rows]),
        "goes_on": dialogues.go_on[rows].astype(np.uint8),
    }
    if dialogues.binary:
        for agent in ("sender", "receiver"):
            arrays[f"{agent}_bits"] = packed_bits(getattr(dialogues, f"{agent}_messages")[rows])
            arrays[f"{agent}_probabilities"] = coarse(getattr(dialogues, f"{agent}_values")[rows])
        return arrays, 0.0
    values = {agent: getattr(dialogues, f"{agent}_values")[rows] for agent in ("sender", "receiver")}
    step = max(float(np.abs(numbers).max(initial=0.0)) for numbers in values.values()) / NUMBER_STEPS or 1.0
    arrays |= {f"{agent}_numbers": stepped(numbers, step * NUMBER_STEPS) for agent, numbers in values.items()}
    return arrays, step


def _rankings(dialogues: Conversations, rows: NDArray[np.int64]) -> Arrays:
    """Return `rank`, `top` and the probabilities of classes, computed in blocks of rows to limit memory."""
    shape = (len(rows), *dialogues.scores.shape[1:])
    blocks = [_ranking(dialogues.scores[rows[some]], dialogues.targets[rows[some]]) for some in row_blocks(shape)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _ranking(scores: Floats, targets: NDArray[np.int64]) -> Arrays:
    probabilities = np.exp(log_probabilities(scores))
    target = targets[:, None, None]
    columns = np.broadcast_to(np.arange(scores.shape[-1]), scores.shape)
    # Among candidates with equal scores, the true class comes last, in agreement with its rank.
    top = np.lexsort((columns, columns == target, -scores), axis=-1)[..., :LEADERS]
    return {
        "top": top.astype(np.uint16),
        "top_probability": fine(np.take_along_axis(probabilities, top, axis=-1)),
        "true_probability": fine(np.take_along_axis(probabilities, target, axis=-1)[..., 0]),
        "rank": (scores >= np.take_along_axis(scores, target, axis=-1)).sum(axis=-1).astype(np.uint16),
    }


def bit_bytes(bits: int, candidates: int, continuous: bool) -> int:
    """Return the size, in bytes, of the arrays that `bit_arrays` returns."""
    return 4 * candidates + (0 if continuous else 4 * candidates * bits + 4 * bits)


def bit_arrays(dialogues: Conversations) -> tuple[Arrays, float]:
    """Return statistics of the bits of the Sender's last message, over all dialogues of a file.

    Returns
    -------
    dict
        `class_count` [K]: number of dialogues about each class. If messages are bits, also `class_ones` [K, d]: number
        of these dialogues in which the bit is 1; and `information` [d]: mutual information of the bit and the class, in
        bits, with the Miller-Madow correction.
    float
        Entropy of the classes in bits.
    """
    count = np.bincount(dialogues.targets, minlength=len(dialogues.labels))
    arrays: Arrays = {"class_count": count.astype(np.uint32)}
    if dialogues.binary:
        messages = dialogues.final_messages.astype(np.int64)
        ones = np.zeros((len(dialogues.labels), messages.shape[1]), dtype=np.int64)
        np.add.at(ones, dialogues.targets, messages)
        arrays["class_ones"] = ones.astype(np.uint32)
        arrays["information"] = bit_information(messages, dialogues.targets).astype(np.float32)
    return arrays, entropy_bits(dialogues.targets)


def attention_arrays(
    path: Path, keys: Sequence[str], columns: NDArray[np.int64]
) -> tuple[Arrays, list[int], list[list[str]]]:
    """Return the attention weights of the given dialogues as arrays.

    Parameters
    ----------
    path
        Path of ``attention.hdf5``.
    keys
        Image keys [N] of the dialogues.
    columns
        Columns [N, 2] of the true and the predicted class of each dialogue. Attention to the descriptions of other
        classes is omitted.

    Returns
    -------
    dict
        `cells` [N, T, L] (Sender) and `words` [N, T, 2, W] (Receiver): weights relative to the largest
        weight, in steps of 1/255. `cells_largest` [N, T] and `words_largest` [N, T, 2]: the largest weight among the
        cells of an exchange, and among the words of a description in an exchange.
    list of int
        Height and width of the grid of cells; empty if unknown.
    list of list of str
        The words of each candidate's description, in the same order as the weights.
    """
    arrays: Arrays = {}
    try:
        with h5py.File(path, "r") as file:
            row_of = {key.decode("utf-8", "replace"): row for row, key in enumerate(file["Key"][:])}
            if missing := [key for key in keys if key not in row_of]:
                raise ParleyError(
                    f"{path} lacks the image {missing[0]!r}; remove it and run `uv run snakemake --cores 1 messages`."
                )
            # Read one dialogue at a time, because the weights of all words of all descriptions may not fit in memory.
            rows = [row_of[key] for key in keys]
            grid: list[int] = []
            if "Sender" in file:
                sender = file["Sender"]
                arrays["cells"], arrays["cells_largest"] = _relative([sender[row] for row in rows], sender.shape[1:])
                grid = [int(sender.attrs[name]) for name in ("height", "width") if "height" in sender.attrs]
            if "Receiver" in file:
                pairs = zip(rows, columns.tolist(), strict=True)
                weights = [file["Receiver"][row].astype(np.float64)[:, pair] for row, pair in pairs]
                arrays["words"], arrays["words_largest"] = _relative(weights, file["Receiver"].shape[1:])
            texts = file["Words"].asstr()[:].tolist() if "Words" in file else []
    except (OSError, KeyError) as error:
        raise ParleyError(
            f"{path} is not a complete attention file ({error}); "
            "remove it and run `uv run snakemake --cores 1 messages`."
        ) from error
    return arrays, grid, [[word for word in row if word] for row in texts]


def _relative(weights: Sequence[NDArray[Any]], shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return weights [N, *shape], divided by the largest weight along the last axis, and the largest weights."""
    values = np.stack(weights).astype(np.float64) if weights else np.zeros((0, *shape))
    largest = values.max(axis=-1)
    return coarse(values / np.maximum(largest, 1e-12)[..., None]), fine(largest)


def seen_fraction(part: str | Path | None) -> float:
    """Return the fraction of an image's shorter side that the network saw, from a feature file; 1 if unknown."""
    if part is None:
        return 1.0
    with h5py.File(part, "r") as file:
        preprocessing = json.loads(file.attrs.get("preprocessing", "{}"))
    return float(preprocessing["crop_px"] / preprocessing["resize_px"]) if "crop_px" in preprocessing else 1.0
