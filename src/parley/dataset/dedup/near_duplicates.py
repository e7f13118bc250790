"""Near duplicates: images of different splits that look the same (`near_copies` in config and files)."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.core.tables import stream_table
from parley.dataset.dedup.outcomes import DedupOptions, Image, Outcomes
from parley.dataset.fetch.outcomes import ErrorClass

logger = logging.getLogger(__name__)


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


COLUMNS = ("class", "part", "key", "other_class", "other_part", "other_key", "distance")
MOST_LISTED = 100_000
"""Pairs listed in the table; all are counted."""
_SHOWN = 20


class NearDuplicateFinder:
    """Finds near duplicates: images of different splits whose perceptual hashes differ in few bits.

    Parameters
    ----------
    hashes
        Perceptual hash by image key; an image without a hash is no near duplicate of any other.
    bits
        The maximal Hamming distance of near duplicates, in bits.
    """

    def __init__(self, hashes: Mapping[str, int], bits: int) -> None:
        self.hashes, self.bits = hashes, bits

    def near_duplicates(self, images: Iterable[Image]) -> dict[str, Image]:
        """Map the SHA-256 of each image to remove to the image that it duplicates; the lowest keys stay."""
        known = sorted((image for image in images if image.key in self.hashes), key=lambda image: image.key)
        hashes = np.array([self.hashes[image.key] for image in known], np.uint64)
        found = find_near_duplicates(hashes, [image.part for image in known], self.bits)
        return {known[index].sha256: known[original] for index, original in found.items()}

    def is_near_duplicate(self, image: Image, others: Iterable[Image]) -> bool:
        """Say whether an image is a near duplicate of any of `others` in another split."""
        if image.key not in self.hashes:
            return False
        near = [self.hashes[one.key] for one in others if one.part != image.part and one.key in self.hashes]
        distances = np.bitwise_count(np.array(near, np.uint64) ^ np.uint64(self.hashes[image.key]))
        return bool((distances <= self.bits).any())


class NearDuplicatePair(NamedTuple):
    """Two near duplicates and the Hamming distance of their hashes, in bits."""

    image: Image
    other: Image
    distance: int

    def cells(self) -> tuple[str | int, ...]:
        """Return the cells of the table, in the order of `COLUMNS`."""
        one, other = self.image, self.other
        return one.image_class, one.part, one.key, other.image_class, other.part, other.key, self.distance


@dataclass(frozen=True, slots=True)
class NearDuplicateReport:
    """The near duplicates found.

    Attributes
    ----------
    rule, bits
        The settings `near_copies` and `near_copy_bits`.
    number
        Pairs of near duplicates among the kept images or, if near duplicates are removed, images removed.
    listed
        The first pairs, by split and label; at most `MOST_LISTED`.
    not_hashed
        Images that could not be decoded, and so were not compared.
    """

    rule: str
    bits: int
    number: int = 0
    listed: list[NearDuplicatePair] = field(default_factory=list)
    not_hashed: int = 0

    def as_json(self, removed: int) -> dict[str, Any]:
        """Return the entry of funnel.json; `removed` is the number of images removed."""
        return {
            "rule": self.rule,
            "bits": self.bits,
            "number": self.number,
            "removed": removed,
            "not_hashed": self.not_hashed,
            "pairs": [dict(zip(COLUMNS, pair.cells(), strict=True)) for pair in self.listed[:_SHOWN]],
        }


def read_perceptual_hashes(hashes: Iterable[str | Path], bits: int) -> NearDuplicateFinder:
    """Read the perceptual hashes of all classes."""
    return NearDuplicateFinder({key: phash for path in hashes for key, phash in read_hashes(path)}, bits)


def report_near_duplicates(
    outcomes: Outcomes, finder: NearDuplicateFinder | None, options: DedupOptions
) -> NearDuplicateReport:
    """Find the near duplicates, as the rule in `options` requires, and log warnings."""
    if finder is None:
        return NearDuplicateReport(options.near_copies, options.near_copy_bits)
    used = [image for one in outcomes.remaining for part in one.parts.values() for image in part.kept]
    if options.near_copies == "remove":
        removals = list(_removed(outcomes, finder.hashes))
        number, listed = len(removals), removals[:MOST_LISTED]
    else:
        number, listed = _among(used, finder)
    every = (image for one in outcomes.classes for image in one.images())
    not_hashed = sum(1 for image in every if image.key not in finder.hashes)
    found = NearDuplicateReport(options.near_copies, options.near_copy_bits, number, listed, not_hashed)
    _warn(found)
    return found


def _among(images: Sequence[Image], finder: NearDuplicateFinder) -> tuple[int, list[NearDuplicatePair]]:
    known = [image for image in images if image.key in finder.hashes]
    hashes = np.array([finder.hashes[image.key] for image in known], np.uint64)
    pairs = find_pairs(hashes, [image.part for image in known], finder.bits, MOST_LISTED)
    return pairs.number, [
        NearDuplicatePair(known[pair.first], known[pair.second], pair.distance) for pair in pairs.listed
    ]


def _removed(outcomes: Outcomes, hashes: Mapping[str, int]) -> Iterator[NearDuplicatePair]:
    for part in (part for one in outcomes.classes for part in one.parts.values()):
        for removal in part.removals:
            if removal.reason == ErrorClass.NEAR_COPY:
                distance = (hashes[removal.image.key] ^ hashes[removal.kept.key]).bit_count()
                yield NearDuplicatePair(removal.image, removal.kept, distance)


def _warn(found: NearDuplicateReport) -> None:
    if found.not_hashed:
        logger.warning("Images that cannot be decoded, and so were not compared with others: %d", found.not_hashed)
    if not found.number:
        return
    if found.rule == "remove":
        logger.warning(
            "Images removed as near duplicates of an image of another part (at most %d of 64 bits apart): %d",
            *(found.bits, found.number),
        )
    else:
        logger.warning(
            "Pairs of images of different parts that look the same (at most %d of 64 bits apart): %d; "
            "near_copies: remove would remove one of each pair",
            *(found.bits, found.number),
        )
    if found.number > len(found.listed):
        logger.warning("Only the first %d of them are listed.", len(found.listed))
