"""Queues of a class's candidates, one per split: which candidates to request, and which images count.

A split's *target* is the number of images to fetch for it. An image that one of its URLs returned *counts* towards
the target if, within the class,

(a) at most `placeholder_repeats` URLs returned the same bytes, and
(b) no image with the same bytes has a lower key.

A *prefix vector* contains, for each split, the number of candidates taken from the start of its queue. It *satisfies*
a split if, once these candidates are answered, the split has reached its target or has no candidates left. The
scheduler stops at the smallest prefix vector that satisfies every split. This vector depends only on the plan and on
what the URLs return, not on the order of the answers. Proof:

1.  When a URL of the class returns an image, the number of counting images increases by at most one in the URL's own
    split, and never in another split. The new image may count instead of an image with the same bytes and a higher
    key, or it may make these bytes too frequent, but it never makes another image count.
2.  A split takes a candidate only while its *sum*, counting images plus requests in flight, is less than its target.
    By 1, no answer increases the sum of any split. Only taking a candidate increases it, for the split that takes it.
3.  Let N be a prefix vector that satisfies every split, and suppose that no split has taken more than its number in N.
    Consider a split that has taken exactly this number. If the other splits took the rest of N and all answers
    arrived, its sum would not increase, by 2, and it would be satisfied. So its sum has already reached its target,
    or it has no candidates left. It takes no further candidate, so no split ever exceeds its number in N.
4.  In the end, all answers have arrived and no split wants more candidates. Then the candidates taken form a prefix
    vector that satisfies every split and, by 3, exceeds no other such vector in any split: it is the smallest.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from parley.dataset.fetch.outcomes import ErrorClass, FetchResult

logger = logging.getLogger(__name__)
_MAX_WARNINGS = 10


class RepeatedBytes(NamedTuple):
    """An image treated as a placeholder: its hash, the number of URLs that returned it, and one of these URLs."""

    sha256: str
    urls: int
    example: str  # the URL with the lowest key


def warn_about_repeated_bytes(repeated: Sequence[RepeatedBytes], where: str) -> None:
    """Log a warning for each of the ten most frequent placeholders; `where` begins each message."""
    for one in repeated[:_MAX_WARNINGS]:
        logger.warning(
            "%s: the same bytes (SHA-256 %s) were returned by %d URLs, such as %s; "
            "they are treated as a placeholder and rejected.",
            *(where, one.sha256, one.urls, one.example),
        )
    if len(repeated) > _MAX_WARNINGS:
        logger.warning("%s: %d more placeholders are rejected.", where, len(repeated) - _MAX_WARNINGS)


@dataclass
class QueueProgress:
    """Progress in one candidate queue: how many candidates were taken, and how many images count towards the target."""

    candidates: int  # length of the queue
    target: int  # images to fetch: the split's count plus the margin
    taken: int = 0  # candidates taken, with or without an answer
    in_flight: int = 0  # candidates taken that have no answer yet
    ok: int = 0  # images that count towards the target

    @property
    def wants_more(self) -> bool:
        """Whether to request another candidate now: candidates are left, and the module's sum is below the target."""
        return self.ok + self.in_flight < self.target and self.taken < self.candidates

    def take(self) -> int:
        """Take the next candidate from the queue, and return its rank, counted from 0."""
        self.taken += 1
        self.in_flight += 1
        return self.taken - 1


@dataclass
class _SameBytes:
    """Images of a class with the same bytes: their number, and the key and split of the image that counts."""

    number: int
    lowest_key: str
    progress: QueueProgress


class DuplicateTracker:
    """Decides which images of a class count towards the targets, while fetching and when the splits are finalised.

    Images returned by more than `placeholder_repeats` URLs are treated as placeholders: none of them counts.
    """

    def __init__(self, placeholder_repeats: int) -> None:
        self._most = placeholder_repeats
        self._by_sha256: dict[str, _SameBytes] = {}

    def record(self, progress: QueueProgress, key: str, sha256: str) -> None:
        """Record the answer of a candidate in flight; `sha256` is empty if the candidate gave no usable image."""
        progress.in_flight -= 1
        if not sha256:
            return
        images = self._by_sha256.get(sha256)
        if images is None:
            self._by_sha256[sha256] = _SameBytes(1, key, progress)
            progress.ok += 1
            return
        images.number += 1
        if images.number == self._most + 1:
            images.progress.ok -= 1
        elif images.number <= self._most and key < images.lowest_key:
            images.progress.ok -= 1
            progress.ok += 1
            images.lowest_key, images.progress = key, progress

    def is_placeholder(self, sha256: str) -> bool:
        """Return True if too many URLs returned these bytes."""
        return sha256 in self._by_sha256 and self._by_sha256[sha256].number > self._most


def first_mismatch(
    splits: Sequence[QueueProgress], answers: Sequence[Sequence[tuple[str, str]]], placeholder_repeats: int
) -> int | None:
    """Replay a class's answers; find the first split with more or fewer answers than `stage.scheduled` would request.

    Parameters
    ----------
    splits
        Progress of each split, before any candidate is taken.
    answers
        For each split, its answers in order of rank, as pairs of an image key and a SHA-256 (empty without an image).
    placeholder_repeats
        Largest number of URLs that may return the same image (see `DuplicateTracker`).

    Returns
    -------
    Index of the split, or None if every split matches.
    """
    duplicates = DuplicateTracker(placeholder_repeats)
    while (index := next((index for index, split in enumerate(splits) if split.wants_more), None)) is not None:
        rank = splits[index].take()
        if rank == len(answers[index]):
            return index
        duplicates.record(splits[index], *answers[index][rank])
    ends = enumerate(zip(splits, answers, strict=True))
    return next((index for index, (split, given) in ends if split.taken < len(given)), None)


class SplitFetch(QueueProgress):
    """Progress and results of fetching one split of a class, which needs `count` images."""

    def __init__(self, part: str, queue: Sequence[tuple[str, str]], count: int, target: int) -> None:
        super().__init__(len(queue), target)
        self.part, self.queue, self.count = part, queue, count
        self.results: list[FetchResult | None] = []
        """Result of each candidate requested so far, by rank; None while the request is in flight."""

    def take(self) -> int:
        """Take the next candidate from the queue, and return its rank, counted from 0."""
        self.results.append(None)
        return super().take()


class ClassFetch:
    """State of fetching one class: its splits in the plan's order, and which images count towards their targets."""

    def __init__(self, name: str, parts: Sequence[SplitFetch], placeholder_repeats: int) -> None:
        self.name, self.parts = name, parts
        self._duplicates = DuplicateTracker(placeholder_repeats)

    @property
    def is_done(self) -> bool:
        """True if no request is in flight and every split has reached its target or has no candidates left."""
        return not any(part.wants_more or part.in_flight for part in self.parts)

    def record(self, part: SplitFetch, rank: int, result: FetchResult) -> None:
        """Record the result of a candidate that a split has taken."""
        part.results[rank] = result
        self._duplicates.record(part, result.key, result.sha256 if result.is_ok else "")

    def results(self) -> list[FetchResult]:
        """Return the results of all candidates tried, by split and rank. Placeholders are marked as rejected."""
        return [
            result.rejected(ErrorClass.PLACEHOLDER) if self._is_placeholder(result) else result
            for result in self._results()
        ]

    def placeholders(self) -> list[RepeatedBytes]:
        """Return the images treated as placeholders, the most frequent first."""
        found: dict[str, list[FetchResult]] = {}
        for result in self._results():
            if self._is_placeholder(result):
                found.setdefault(result.sha256, []).append(result)
        repeated = [
            RepeatedBytes(sha, len(ones), min(ones, key=lambda one: one.key).url) for sha, ones in found.items()
        ]
        return sorted(repeated, key=lambda one: (-one.urls, one.sha256))

    def _results(self) -> Iterable[FetchResult]:
        return (result for part in self.parts for result in part.results if result is not None)

    def _is_placeholder(self, result: FetchResult) -> bool:
        return result.is_ok and self._duplicates.is_placeholder(result.sha256)
