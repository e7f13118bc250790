"""The candidate queues of a class: which candidates are requested, and which images count.

Of the images that a split's URLs return, those *count* towards its target for which, within the class,

(a) at most `placeholder_repeats` URLs returned the same bytes, and
(b) no image with the same bytes has a lower key.

A *prefix vector* gives, for each split, how many candidates have been taken from the start of its queue. A split is
*satisfied* if it has reached its target or has no candidates left. The scheduler stops at the least prefix vector
that satisfies every split. This vector is a pure function of the plan and of what the URLs return, whatever the order
of the answers:

1.  One more image *seen* in the class never raises the number that counts in any other split, and raises it in its own
    split by at most one. It may take over the bytes from a higher key of another split, or make the bytes too
    frequent; it never makes another image count. (If it takes over from a higher key of its own split, the number
    stays the same.)
2.  A split takes a candidate only while its images that count plus its requests in flight are fewer than its target.
    By 1, an answer never raises that sum. So when a split takes a candidate, fewer images than its target count, and
    this would still be so if every request in flight had been answered.
3.  Let N be any prefix vector that satisfies every split, and suppose that all prefixes so far lie within N. By 1, a
    split that has reached its prefix in N has at least as many images that count as it has at N, where more of the
    other splits is seen. So it is satisfied, and by 2 it takes no more. Hence no split goes beyond N.
4.  When all answers are in and no split wants more, every split is satisfied and the prefixes lie within every such N.
    So they are the least one.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from parley.dataset.fetch.outcomes import ErrorClass, FetchResult

logger = logging.getLogger(__name__)
_MAX_WARNINGS = 10


class RepeatedBytes(NamedTuple):
    """Bytes treated as a placeholder, the number of URLs that returned them, and the URL with the lowest key."""

    sha256: str
    urls: int
    example: str


def warn_about_repeated_bytes(repeated: Sequence[RepeatedBytes], where: str) -> None:
    """Log a warning for each of the ten most frequent placeholders; `where` starts the sentence."""
    for one in repeated[:_MAX_WARNINGS]:
        logger.warning(
            "%s: the same bytes (SHA-256 %s) came under %d URLs, such as %s; "
            "they are treated as a placeholder and left out.",
            *(where, one.sha256, one.urls, one.example),
        )
    if len(repeated) > _MAX_WARNINGS:
        logger.warning("%s: %d more such placeholders are left out.", where, len(repeated) - _MAX_WARNINGS)


@dataclass
class QueueProgress:
    """How many candidates of one queue were taken, and how many of their images count."""

    candidates: int  # length of the queue
    target: int  # images to fetch: the split's count plus the margin
    taken: int = 0  # candidates taken, whether answered or not
    in_flight: int = 0  # candidates taken and not answered yet
    ok: int = 0  # images that count towards the target

    @property
    def wants_more(self) -> bool:
        """Whether another candidate should be taken now."""
        return self.ok + self.in_flight < self.target and self.taken < self.candidates

    def take(self) -> int:
        """Take the next candidate; return its rank."""
        self.taken += 1
        self.in_flight += 1
        return self.taken - 1


@dataclass
class _SameBytes:
    """The images of a class that have the same bytes: how many, and which of them counts."""

    number: int
    lowest_key: str
    progress: QueueProgress


class DuplicateTracker:
    """Decides which images of a class count, both while fetching and when the splits are finalised.

    Bytes that more than `placeholder_repeats` URLs return are a placeholder.
    """

    def __init__(self, placeholder_repeats: int) -> None:
        self._most = placeholder_repeats
        self._by_sha256: dict[str, _SameBytes] = {}

    def record(self, progress: QueueProgress, key: str, sha256: str) -> None:
        """Record the answer of a candidate in flight; `sha256` is empty if no image came."""
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
    """Replay a class's recorded answers; return the first split with more or fewer answers than `scheduled` requests.

    Parameters
    ----------
    splits
        Progress of each split, with nothing taken yet.
    answers
        The answers of each split by rank: key, and SHA-256 (empty if no image came).
    placeholder_repeats
        See `DuplicateTracker`.

    Returns
    -------
    Index of the split, or None if all match.
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
        """Results of the candidates requested so far, by rank; None while in flight."""

    def take(self) -> int:
        """Take the next candidate; return its rank."""
        self.results.append(None)
        return super().take()


class ClassFetch:
    """Fetching one class: its splits in the plan's order, and which of their images count."""

    def __init__(self, name: str, parts: Sequence[SplitFetch], placeholder_repeats: int) -> None:
        self.name, self.parts = name, parts
        self._duplicates = DuplicateTracker(placeholder_repeats)

    @property
    def is_done(self) -> bool:
        """Whether every split has its images or no candidates left."""
        return not any(part.wants_more or part.in_flight for part in self.parts)

    def record(self, part: SplitFetch, rank: int, result: FetchResult) -> None:
        """Record the result of a candidate that a split took."""
        part.results[rank] = result
        self._duplicates.record(part, result.key, result.sha256 if result.is_ok else "")

    def results(self) -> list[FetchResult]:
        """Return the result of each candidate tried, by split and rank; repeated bytes become placeholders."""
        return [
            result.rejected(ErrorClass.PLACEHOLDER) if self._is_placeholder(result) else result
            for result in self._results()
        ]

    def placeholders(self) -> list[RepeatedBytes]:
        """Return the bytes treated as placeholders, the most frequent first."""
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
