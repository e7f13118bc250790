"""Decide which images each split keeps: reject placeholders, remove exact and near duplicates, fill the splits."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from parley.dataset.dedup.outcomes import ClassOutcome, Image, Outcomes, PartOutcome, Removal, host_of
from parley.dataset.dedup.similar_pairs import find_near_duplicates
from parley.dataset.fetch.candidate_queue import RepeatedBytes
from parley.dataset.fetch.outcomes import ErrorClass


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


def reject_placeholders(outcomes: Outcomes, placeholder_repeats: int) -> list[RepeatedBytes]:
    """Reject images whose bytes too many different URLs return; return these bytes, most frequent first.

    Responses that the fetch already rejected as placeholders count too: one class may have them only once.
    """
    responses = [image for one in outcomes.classes for image in (*one.images(), *one.placeholders)]
    rows = Counter(image.sha256 for image in responses)
    urls: dict[str, dict[str, str]] = {sha: {} for sha, number in rows.items() if number > placeholder_repeats}
    for image in responses:
        if image.sha256 in urls:
            urls[image.sha256][image.key] = image.url
    # A URL listed for two classes counts once.
    repeated = {sha: of_key for sha, of_key in urls.items() if len(of_key) > placeholder_repeats}
    for one in outcomes.classes:
        for part in one.parts.values():
            _reject(part, [image for image in part.images if image.sha256 in repeated], outcomes)
    found = [RepeatedBytes(sha, len(of_key), of_key[min(of_key)]) for sha, of_key in repeated.items()]
    return sorted(found, key=lambda one: (-one.urls, one.sha256))


def assign(classes: Sequence[ClassOutcome], finder: NearDuplicateFinder | None) -> None:
    """Decide over these classes together which images each split keeps, discarding earlier decisions.

    Among images with equal bytes the lowest key stays and, if the keys are equal (one URL in two classes), the one
    with the lower label. With a `finder`, the remaining images are then visited by key, and near duplicates of an
    image in another split are removed. Each split is filled from its remaining images, by rank. A split that is still
    short then reclaims images that were removed in favour of an image that no split keeps.
    """
    holders: dict[str, Image] = {}
    for image in (image for one in classes for image in one.images()):
        if image.key < holders.setdefault(image.sha256, image).key:
            holders[image.sha256] = image
    copies = finder.near_duplicates(holders.values()) if finder is not None else {}
    parts = [part for one in classes for part in one.parts.values()]
    for part in parts:
        part.kept, part.removals = [], []
        for image in part.images:
            holder = holders[image.sha256]
            if holder is not image:
                part.removals.append(Removal(image, ErrorClass.DUPLICATE, holder))
            elif image.sha256 in copies:
                part.removals.append(Removal(image, ErrorClass.NEAR_COPY, copies[image.sha256]))
            elif part.is_short:
                part.kept.append(image)
    _reclaim(parts, finder)


def _reclaim(parts: Sequence[PartOutcome], finder: NearDuplicateFinder | None) -> None:
    """Let short splits keep images that were removed in favour of spare images, which no split keeps."""
    short = [part for part in parts if part.is_short and part.removals]
    if not short:
        return
    kept = {image.sha256: image for part in parts for image in part.kept}
    for part in short:
        for removal in list(part.removals):
            image = removal.image
            if image.sha256 in kept or (finder is not None and finder.is_near_duplicate(image, kept.values())):
                continue
            part.removals.remove(removal)
            part.kept.append(image)
            kept[image.sha256] = image
            if not part.is_short:
                break
        ranks = {image.key: rank for rank, image in enumerate(part.images)}
        part.kept.sort(key=lambda image: ranks[image.key])


def _reject(part: PartOutcome, images: Sequence[Image], outcomes: Outcomes) -> None:
    if not images:
        return
    gone = {image.key for image in images}
    part.images = [image for image in part.images if image.key not in gone]
    part.rejected[ErrorClass.PLACEHOLDER] += len(images)
    for image in images:
        outcomes.hosts[host_of(image.url)].reject(ErrorClass.PLACEHOLDER)
