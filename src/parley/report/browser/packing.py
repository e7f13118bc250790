"""Compress arrays for the page: probabilities in one or two bytes, bits eight to a byte, all deflated."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
