"""Images of different parts that look the same: their perceptual hashes differ in a few bits at most.

Every pair of hashes is looked at, in blocks that stay in the processor's cache. That is exact, and takes
the same time whatever the images are: a thousand pictures of nothing, whose hashes are all alike, cost
neither more time nor more memory than any others.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.core.tables import stream_table

Hashes = NDArray[np.uint64]
HASH_COLUMNS = ("key", "phash")
_ROWS_AT_ONCE = 64


class Pair(NamedTuple):
    """Two images, by their places among those compared, and the number of bits in which they differ."""

    first: int
    second: int
    distance: int


class Pairs(NamedTuple):
    """Near copies.

    Attributes
    ----------
    number
        How many pairs there are.
    listed
        The first of them: by the first image's part, the second's part, the first image, the second.
    """

    number: int
    listed: list[Pair]


def read_hashes(path: str | Path) -> Iterator[tuple[str, int]]:
    """Yield key and hash of each image of a class, from a table that `parley.dataset.dedup.perceptual_hash` wrote."""
    for key, phash in stream_table(path, HASH_COLUMNS):
        yield key, int(phash, 16)


def find_pairs(hashes: Hashes, parts: Sequence[str], bits: int, most_listed: int) -> Pairs:
    """Find the pairs of images of different parts whose hashes differ in at most so many bits.

    Parameters
    ----------
    hashes
        ``[N]``, a hash of 64 bits an image.
    parts
        The part of each image.
    bits
        The most bits in which the hashes of near copies differ.
    most_listed
        Pairs listed; all are counted.
    """
    number = 0
    listed: list[Pair] = []
    for firsts, seconds, distances in _blocks(hashes, parts):
        near = distances <= bits
        found = int(np.count_nonzero(near))
        if found and len(listed) < most_listed:
            rows, columns = np.nonzero(near)
            room = slice(most_listed - len(listed))
            listed += [
                Pair(int(firsts[row]), int(seconds[column]), int(distances[row, column]))
                for row, column in zip(rows[room].tolist(), columns[room].tolist(), strict=True)
            ]
        number += found
    return Pairs(number, listed)


def find_near_duplicates(hashes: Hashes, parts: Sequence[str], bits: int) -> dict[int, int]:
    """Choose which images to leave out, so that no two of different parts look the same.

    The images are gone through in order; one that looks like an image of another part that was let in
    is left out.

    Parameters
    ----------
    hashes
        ``[N]``, a hash of 64 bits an image.
    parts
        The part of each image.
    bits
        The most bits in which the hashes of near copies differ.

    Returns
    -------
    The place of each image left out, and that of the first image let in that it looks like.
    """
    alike = np.zeros(len(hashes), bool)
    for firsts, seconds, distances in _blocks(hashes, parts):
        near = distances <= bits
        alike[firsts] |= near.any(axis=1)
        alike[seconds] |= near.any(axis=0)
    # Only those that look like some other can be left out, or be the reason for it.
    places = np.flatnonzero(alike)
    codes = np.unique(np.asarray(parts), return_inverse=True)[1] if len(places) else np.zeros(0, np.int64)
    let_in = np.zeros(len(places), np.int64)
    copies: dict[int, int] = {}
    count = 0
    for place in places.tolist():
        earlier = let_in[:count]
        near = (np.bitwise_count(hashes[earlier] ^ hashes[place]) <= bits) & (codes[earlier] != codes[place])
        if near.any():
            copies[place] = int(earlier[near.argmax()])
        else:
            let_in[count] = place
            count += 1
    return copies


def _blocks(
    hashes: Hashes, parts: Sequence[str]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]]:
    """Yield places ``[a]`` of images of one part, ``[b]`` of another, and the distances ``[a, b]`` of their hashes."""
    names = np.asarray(parts)
    places = [np.flatnonzero(names == name) for name in sorted(set(parts))]
    for number, firsts in enumerate(places):
        for seconds in places[number + 1 :]:
            others = hashes[seconds][None]
            for start in range(0, len(firsts), _ROWS_AT_ONCE):
                some = firsts[start : start + _ROWS_AT_ONCE]
                yield some, seconds, np.bitwise_count(hashes[some][:, None] ^ others)
