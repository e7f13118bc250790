"""Find near duplicates: images of different splits whose perceptual hashes differ in at most a few bits.

Compares every pair of hashes, in blocks that fit in the processor's cache. That is exact, and its time and memory do
not depend on the images: a thousand blank images with equal hashes cost no more than any others.
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
    """Two images, by their indices among those compared, and their Hamming distance in bits."""

    first: int
    second: int
    distance: int


class Pairs(NamedTuple):
    """The near duplicates found.

    Attributes
    ----------
    number
        Number of pairs.
    listed
        The first pairs, sorted by first image's split, second image's split, first image, second image.
    """

    number: int
    listed: list[Pair]


def read_hashes(path: str | Path) -> Iterator[tuple[str, int]]:
    """Yield the key and hash of each image of a class, as `parley.dataset.dedup.perceptual_hash` wrote them."""
    for key, phash in stream_table(path, HASH_COLUMNS):
        yield key, int(phash, 16)


def find_pairs(hashes: Hashes, parts: Sequence[str], bits: int, most_listed: int) -> Pairs:
    """Find the pairs of images of different splits whose hashes differ in at most `bits` bits.

    Parameters
    ----------
    hashes
        ``[N]``, one 64-bit hash per image.
    parts
        The split of each image.
    bits
        The maximal Hamming distance of near duplicates, in bits.
    most_listed
        The number of pairs to list; all are counted.
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
    """Choose which images to remove, so that no near duplicates in different splits remain.

    Visits the images in order, and removes each one that is a near duplicate of an earlier image of another split
    that was kept.

    Parameters
    ----------
    hashes
        ``[N]``, one 64-bit hash per image.
    parts
        The split of each image.
    bits
        The maximal Hamming distance of near duplicates, in bits.

    Returns
    -------
    The index of each removed image, mapped to that of the first kept image that it duplicates.
    """
    has_duplicate = np.zeros(len(hashes), bool)
    for firsts, seconds, distances in _blocks(hashes, parts):
        near = distances <= bits
        has_duplicate[firsts] |= near.any(axis=1)
        has_duplicate[seconds] |= near.any(axis=0)
    # Only images with a near duplicate can be removed, or be the reason for a removal.
    indices = np.flatnonzero(has_duplicate)
    codes = np.unique(np.asarray(parts), return_inverse=True)[1] if len(indices) else np.zeros(0, np.int64)
    kept = np.zeros(len(indices), np.int64)
    duplicates: dict[int, int] = {}
    count = 0
    for index in indices.tolist():
        earlier = kept[:count]
        near = (np.bitwise_count(hashes[earlier] ^ hashes[index]) <= bits) & (codes[earlier] != codes[index])
        if near.any():
            duplicates[index] = int(earlier[near.argmax()])
        else:
            kept[count] = index
            count += 1
    return duplicates


def _blocks(
    hashes: Hashes, parts: Sequence[str]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]]:
    """Yield indices ``[a]`` of images of one split, ``[b]`` of another, and their distances ``[a, b]``."""
    names = np.asarray(parts)
    indices = [np.flatnonzero(names == name) for name in sorted(set(parts))]
    for number, firsts in enumerate(indices):
        for seconds in indices[number + 1 :]:
            others = hashes[seconds][None]
            for start in range(0, len(firsts), _ROWS_AT_ONCE):
                some = firsts[start : start + _ROWS_AT_ONCE]
                yield some, seconds, np.bitwise_count(hashes[some][:, None] ^ others)
