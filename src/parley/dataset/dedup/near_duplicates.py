"""Report near duplicates: images of different splits that look the same (`near_copies` in config and files)."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from parley.dataset.dedup.exact_duplicates import NearDuplicateFinder
from parley.dataset.dedup.options import DedupOptions
from parley.dataset.dedup.outcomes import Image, Outcomes
from parley.dataset.dedup.similar_pairs import find_pairs, read_hashes
from parley.dataset.fetch.outcomes import ErrorClass

logger = logging.getLogger(__name__)
COLUMNS = ("class", "part", "key", "other_class", "other_part", "other_key", "distance")
MOST_LISTED = 100_000
"""Pairs listed in the table; all are counted."""
_SHOWN = 20


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
