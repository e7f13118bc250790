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

If a split then has fewer counting images than its *count*, all candidates of the class that were not taken form one
more queue in order of key, the *fill*. Its target is the number of `missing_images`. An image of the fill counts if
(a) holds, no image of a split has the same bytes, and no image of the fill with the same bytes has a lower key. So the
fill takes no image from a split. If (a) ceases to hold for an image of a split, the target of the fill may grow, but
no answer reduces it. Therefore, as in 1 to 4 with the fill as the only queue, the candidates taken are its shortest
prefix that reaches the target, or all of it. `parley.dataset.dedup.assign` gives its images to the short splits.
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
    count: int  # images that the split needs
    target: int  # images to fetch: the split's count plus the margin
    fills: bool = False  # True if this is the fill of a class and not the queue of a split
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


def missing_images(splits: Iterable[QueueProgress]) -> int:
    """Return how many images the splits with fewer images than their count need to reach their targets."""
    return sum(split.target - split.ok for split in splits if split.ok < split.count)


@dataclass
class _SameBytes:
    """Images of a class with the same bytes: their number, and the one that counts."""

    first: tuple[bool, str]  # the lowest (is of the fill, key); this image counts
    progress: QueueProgress  # its queue
    number: int = 0
    of_splits: int = 0  # how many are not of the fill


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
        first = progress.fills, key
        images = self._by_sha256.setdefault(sha256, _SameBytes(first, progress))
        images.number += 1
        images.of_splits += not progress.fills
        if images.number == 1:
            progress.ok += 1
        elif images.number == self._most + 1:
            images.progress.ok -= 1
        elif images.number <= self._most and first < images.first:
            images.progress.ok -= 1
            progress.ok += 1
            images.first, images.progress = first, progress

    def is_placeholder(self, sha256: str) -> bool:
        """Return True if too many URLs returned these bytes.

        Answers of the fill do not matter if a split has these bytes: a split's record does not change, so that
        `replay` can repeat it. When all classes are compared, all of these images are rejected.
        """
        images = self._by_sha256.get(sha256)
        return images is not None and (images.of_splits or images.number) > self._most


def replay(
    splits: Sequence[QueueProgress],
    answers: Sequence[Sequence[tuple[str, str, int]]],
    lowest_untried: str | None,
    placeholder_repeats: int,
) -> tuple[int | None, frozenset[str]]:
    """Replay a class's answers; find the first split with other answers than `stage.scheduled` would request.

    Parameters
    ----------
    splits
        Progress of each split, before any candidate is taken.
    answers
        For each split, the answers of its candidates in order of rank: image key, SHA-256 (empty without an image)
        and rank.
    lowest_untried
        The lowest key of the candidates without an answer; None if there are none.
    placeholder_repeats
        Largest number of URLs that may return the same image (see `DuplicateTracker`).

    Returns
    -------
    Index of the split, or None if every split matches; and the keys of the fill.
    """
    duplicates = DuplicateTracker(placeholder_repeats)
    while (index := next((index for index, split in enumerate(splits) if split.wants_more), None)) is not None:
        rank = splits[index].take()
        if rank >= len(answers[index]) or answers[index][rank][2] != rank:
            return index, frozenset()
        duplicates.record(splits[index], *answers[index][rank][:2])
    rest = sorted(answer[:2] for split, given in zip(splits, answers, strict=True) for answer in given[split.taken :])
    fill = QueueProgress(sum(split.candidates - split.taken for split in splits), 0, missing_images(splits), fills=True)
    while fill.wants_more and fill.taken < len(rest):
        duplicates.record(fill, *rest[fill.take()])
        fill.target = missing_images(splits)
    skips = lowest_untried is not None and bool(rest) and rest[-1][0] > lowest_untried
    if fill.wants_more or fill.taken < len(rest) or skips:
        pairs = enumerate(zip(splits, answers, strict=True))
        return next(i for i, (split, given) in pairs if split.ok < split.count or split.taken < len(given)), frozenset()
    return None, frozenset(key for key, _ in rest)


class SplitFetch(QueueProgress):
    """Progress and results of fetching one split of a class, which needs `count` images, or its fill."""

    def __init__(
        self, part: str, queue: Sequence[tuple[str, str]], count: int, target: int, fills: bool = False
    ) -> None:
        super().__init__(len(queue), count, target, fills)
        self.part, self.queue = part, queue
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
        self.fill: SplitFetch | None = None
        """The fill, once the splits have tried their candidates."""
        self._duplicates = DuplicateTracker(placeholder_repeats)

    def wanting(self) -> SplitFetch | None:
        """Return the queue whose next candidate is to be requested now: of a split, or the fill; None if there is none.

        When no split wants more and all answers have arrived, the fill begins.
        """
        if self.fill is None:
            part = next((part for part in self.parts if part.wants_more), None)
            if part is not None or any(part.in_flight for part in self.parts):
                return part
            missing = missing_images(self.parts)
            untried = sorted(one for part in self.parts for one in part.queue[part.taken :]) if missing else []
            self.fill = SplitFetch("", untried, 0, missing, fills=True)
        return self.fill if self.fill.wants_more else None

    @property
    def is_done(self) -> bool:
        """True if no request is in flight and every split, and the fill, has its images or no candidates left."""
        return self.wanting() is None and self.fill is not None and not self.fill.in_flight

    def record(self, part: SplitFetch, rank: int, result: FetchResult) -> None:
        """Record the result of a candidate that a split, or the fill, has taken."""
        part.results[rank] = result
        self._duplicates.record(part, result.key, result.sha256 if result.is_ok else "")
        if self.fill is not None:
            self.fill.target = missing_images(self.parts)

    def results(self) -> list[FetchResult]:
        """Return the results of all candidates tried, in the plan's order. Placeholders are marked as rejected."""
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
        filled = {result.key: result for result in (self.fill.results if self.fill else ()) if result is not None}
        for part in self.parts:
            yield from (result for result in part.results if result is not None)
            if filled:
                yield from (filled[key] for key, _ in part.queue[part.taken :] if key in filled)

    def _is_placeholder(self, result: FetchResult) -> bool:
        return result.is_ok and self._duplicates.is_placeholder(result.sha256)
