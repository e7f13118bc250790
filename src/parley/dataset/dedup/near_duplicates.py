"""Find images in different splits with similar perceptual hashes (`near_copies` in config and files).

All pairs of images in different splits are compared, in blocks that fit in the processor's cache. The comparison is
exact, and its time and memory do not depend on the hashes: a thousand blank images cost no more than any others.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.dataset.dedup.outcomes import DedupOptions, Image, Outcomes
from parley.dataset.dedup.perceptual_hash import read_hashes
from parley.dataset.fetch.outcomes import ErrorClass

logger = logging.getLogger(__name__)
Hashes = NDArray[np.uint64]
COLUMNS = ("class", "part", "key", "other_class", "other_part", "other_key", "distance")
MOST_LISTED = 100_000
"""Maximum number of pairs in the TSV of near duplicates; all pairs are counted."""
_SHOWN = 20
_ROWS_AT_ONCE = 64


def find_pairs(
    hashes: Hashes, parts: Sequence[str], bits: int, most_listed: int
) -> tuple[int, list[tuple[int, int, int]]]:
    """Find the pairs of images in different splits whose hashes differ in at most `bits` bits.

    Parameters
    ----------
    hashes
        64-bit hash of each image, ``[N]``.
    parts
        Split of each image, ``[N]``.
    bits
        Maximum Hamming distance between the hashes of near duplicates, in bits.
    most_listed
        Maximum number of pairs to list; all pairs are counted.

    Returns
    -------
    The number of pairs, and a list of the first pairs: the index of each image and the distance in bits. The pairs are
    sorted by the split of the first image, the split of the second image, the first index and the second index.
    """
    number = 0
    listed: list[tuple[int, int, int]] = []
    for firsts, seconds, distances in _blocks(hashes, parts):
        near = distances <= bits
        found = int(np.count_nonzero(near))
        if found and len(listed) < most_listed:
            rows, columns = (index[: most_listed - len(listed)] for index in np.nonzero(near))
            columns_of_pairs = firsts[rows], seconds[columns], distances[rows, columns]
            listed += zip(*(column.tolist() for column in columns_of_pairs), strict=True)
        number += found
    return number, listed


def find_near_duplicates(hashes: Hashes, parts: Sequence[str], bits: int) -> dict[int, int]:
    """Select images to remove, so that no near duplicates in different splits remain.

    The images are visited in the given order. An image is removed if it is a near duplicate of an earlier image that
    was kept and is in another split. The parameters are those of `find_pairs`.

    Returns
    -------
    A mapping from the index of each removed image to the index of the first kept image that it duplicates.
    """
    has_duplicate = np.zeros(len(hashes), bool)
    for firsts, seconds, distances in _blocks(hashes, parts):
        near = distances <= bits
        has_duplicate[firsts] |= near.any(axis=1)
        has_duplicate[seconds] |= near.any(axis=0)
    # Only images that have a near duplicate can be removed, or cause another image to be removed.
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
    """Yield indices ``[a]`` and ``[b]`` of images in two different splits, and all their distances ``[a, b]``."""
    names = np.asarray(parts)
    indices = [np.flatnonzero(names == name) for name in sorted(set(parts))]
    for number, firsts in enumerate(indices):
        for seconds in indices[number + 1 :]:
            others = hashes[seconds][None]
            for start in range(0, len(firsts), _ROWS_AT_ONCE):
                some = firsts[start : start + _ROWS_AT_ONCE]
                yield some, seconds, np.bitwise_count(hashes[some][:, None] ^ others)


class NearDuplicateFinder:
    """Finds near duplicates: images in different splits whose perceptual hashes differ in few bits.

    Parameters
    ----------
    hashes
        Perceptual hashes by image key. An image without a hash is never a near duplicate.
    bits
        Maximum Hamming distance between the hashes of near duplicates, in bits.
    """

    def __init__(self, hashes: dict[str, int], bits: int) -> None:
        self.hashes, self.bits = hashes, bits

    @classmethod
    def read(cls, paths: Iterable[str | Path], bits: int) -> "NearDuplicateFinder":
        """Create a finder from the tables of perceptual hashes, one per class."""
        return cls({key: phash for path in paths for key, phash in read_hashes(path)}, bits)

    def near_duplicates(self, images: Iterable[Image]) -> dict[str, Image]:
        """Find the images to remove; map the SHA-256 of each to the image that it duplicates, which precedes it."""
        known, hashes = self._hashed(sorted(images, key=lambda image: image.precedence))
        found = find_near_duplicates(hashes, [image.part for image in known], self.bits)
        return {known[index].sha256: known[original] for index, original in found.items()}

    def pairs(self, images: Iterable[Image]) -> tuple[int, list[tuple[Image, Image, int]]]:
        """Return the number of pairs of near duplicates, and the first `MOST_LISTED` pairs with their distances."""
        known, hashes = self._hashed(images)
        number, listed = find_pairs(hashes, [image.part for image in known], self.bits, MOST_LISTED)
        return number, [(known[first], known[second], distance) for first, second, distance in listed]

    def is_near_duplicate(self, image: Image, others: Iterable[Image]) -> bool:
        """Return whether an image is a near duplicate of any image in `others` that is in another split."""
        if image.key not in self.hashes:
            return False
        _, near = self._hashed(one for one in others if one.part != image.part)
        return bool((np.bitwise_count(near ^ np.uint64(self.hashes[image.key])) <= self.bits).any())

    def _hashed(self, images: Iterable[Image]) -> tuple[list[Image], Hashes]:
        """Return the images that have a hash, and an array of the hashes."""
        known = [image for image in images if image.key in self.hashes]
        return known, np.array([self.hashes[image.key] for image in known], np.uint64)


def report_near_duplicates(
    outcomes: Outcomes, finder: NearDuplicateFinder | None, options: DedupOptions
) -> tuple[dict[str, Any], list[tuple[str | int, ...]]]:
    """Report the near duplicates according to `options.near_copies`, and log warnings.

    Returns
    -------
    The entry `near_copies` of `funnel.json`, and the rows of a table with the columns `COLUMNS`. Each row is a pair of
    near duplicates among the kept images or, if near duplicates are removed, a removed image and the image that it
    duplicates. Images that cannot be decoded have no hash and are not compared.
    """
    removes = options.near_copies == "remove"
    number, not_hashed = 0, 0
    pairs: list[tuple[Image, Image, int]] = []
    if finder is not None:
        if removes:
            pairs = list(_removed(outcomes, finder.hashes))
            number = len(pairs)
        else:
            used = (image for one in outcomes.remaining for part in one.parts.values() for image in part.kept)
            number, pairs = finder.pairs(used)
        every = (image for one in outcomes.classes for image in one.images())
        not_hashed = sum(1 for image in every if image.key not in finder.hashes)
    rows: list[tuple[str | int, ...]] = [
        (*(one.image_class, one.part, one.key), *(other.image_class, other.part, other.key), distance)
        for one, other, distance in pairs[:MOST_LISTED]
    ]
    _warn(number, len(rows), not_hashed, options)
    entry = {
        "rule": options.near_copies,
        "bits": options.near_copy_bits,
        "number": number,
        "removed": number if removes else 0,
        "not_hashed": not_hashed,
        "pairs": [dict(zip(COLUMNS, row, strict=True)) for row in rows[:_SHOWN]],
    }
    return entry, rows


def _removed(outcomes: Outcomes, hashes: dict[str, int]) -> Iterator[tuple[Image, Image, int]]:
    for part in (part for one in outcomes.classes for part in one.parts.values()):
        for removal in part.removals:
            if removal.reason == ErrorClass.NEAR_COPY:
                distance = (hashes[removal.image.key] ^ hashes[removal.kept.key]).bit_count()
                yield removal.image, removal.kept, distance


def _warn(number: int, listed: int, not_hashed: int, options: DedupOptions) -> None:
    if not_hashed:
        logger.warning("Images that cannot be decoded and were not compared with others: %d", not_hashed)
    if not number:
        return
    if options.near_copies == "remove":
        logger.warning(
            "Images removed as near duplicates of an image in another split (at most %d of 64 bits apart): %d",
            *(options.near_copy_bits, number),
        )
    else:
        logger.warning(
            "Pairs of near duplicates in different splits (at most %d of 64 bits apart): %d; "
            "set fetch.near_copies to `remove` to remove one image of each pair",
            *(options.near_copy_bits, number),
        )
    if number > listed:
        logger.warning("Only the first %d of them are listed.", listed)
