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

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from parley.dataset.fetch.outcomes import ErrorClass, FetchResult

logger = logging.getLogger(__name__)


_TOLD = 10


class RepeatedBytes(NamedTuple):
    """Bytes treated as a placeholder.

    Attributes
    ----------
    sha256
        Of the bytes.
    urls
        Number of different URLs that returned them.
    example
        One of the URLs: the one with the lowest key.
    """

    sha256: str
    urls: int
    example: str


def warn_about_repeated_bytes(repeated: Sequence[RepeatedBytes], where: str) -> None:
    """Log a warning for each placeholder, the ten most frequent at most.

    Parameters
    ----------
    repeated
        Placeholders, the most frequent first.
    where
        Start of the sentence, such as the class.
    """
    for one in repeated[:_TOLD]:
        logger.warning(
            "%s: the same bytes (SHA-256 %s) came under %d URLs, such as %s; "
            "they are taken for a placeholder and left out.",
            *(where, one.sha256, one.urls, one.example),
        )
    if len(repeated) > _TOLD:
        logger.warning("%s: %d more such placeholders are left out.", where, len(repeated) - _TOLD)


Candidate = tuple[str, str]
"""Key and URL."""


class CandidateQueue(Protocol):
    """A split's candidates by rank; each is read once. A list, or rows of a `parley.dataset.split_plan`."""

    def __len__(self) -> int: ...

    def __getitem__(self, rank: int, /) -> Candidate: ...


@dataclass
class QueueProgress:
    """How many candidates of one queue were taken, and how many of their images count.

    Attributes
    ----------
    candidates
        Length of the queue.
    target
        Images to fetch: the split's count plus the margin.
    taken
        Candidates taken, whether answered or not.
    in_flight
        Candidates taken and not answered yet.
    ok
        Images that count towards the target.
    """

    candidates: int
    target: int
    taken: int = 0
    in_flight: int = 0
    ok: int = 0

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

    Parameters
    ----------
    placeholder_repeats
        Bytes that more URLs than this return are a placeholder.
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
    splits: Sequence[QueueProgress], answers: Sequence[Sequence[tuple[str, str]]], duplicates: DuplicateTracker
) -> int | None:
    """Replay recorded answers; return the first queue that has more or fewer answers than the scheduler would request.

    Parameters
    ----------
    splits
        One per split, with nothing taken yet.
    answers
        The answers of each queue by rank: key, and SHA-256 (empty if no image came).
    duplicates
        Of the class, with nothing recorded yet.

    Returns
    -------
    Index of the queue, or None if all match.
    """
    while (index := _first_wanting(splits)) is not None:
        rank = splits[index].take()
        if rank == len(answers[index]):
            return index
        duplicates.record(splits[index], *answers[index][rank])
    ends = enumerate(zip(splits, answers, strict=True))
    return next((index for index, (split, given) in ends if split.taken < len(given)), None)


def _first_wanting(splits: Sequence[QueueProgress]) -> int | None:
    return next((index for index, split in enumerate(splits) if split.wants_more), None)


@dataclass
class SplitFetch:
    """Fetching one split of a class from its candidate queue.

    Attributes
    ----------
    part
        The split.
    queue
        Its candidates by rank.
    count
        Images the split needs.
    target
        Images to fetch: the count plus the margin.
    progress
        How far the queue has been processed.
    results
        Results of the candidates requested so far, by rank; None while in flight.
    """

    part: str
    queue: CandidateQueue
    count: int
    target: int
    results: list[FetchResult | None] = field(default_factory=list)
    progress: QueueProgress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = QueueProgress(len(self.queue), self.target)

    @property
    def wants_more(self) -> bool:
        """Whether another candidate should be requested now."""
        return self.progress.wants_more

    @property
    def in_flight(self) -> int:
        """Candidates requested and not answered."""
        return self.progress.in_flight

    @property
    def ok(self) -> int:
        """Images that count towards the target."""
        return self.progress.ok

    def take(self) -> int:
        """Take the next candidate; return its rank."""
        self.results.append(None)
        return self.progress.take()


@dataclass
class ClassFetch:
    """Fetching one class: its splits in the plan's order.

    Attributes
    ----------
    name
        The class.
    parts
        Its splits.
    placeholder_repeats
        Bytes that more of the class's URLs than this return are a placeholder.
    """

    name: str
    parts: Sequence[SplitFetch]
    placeholder_repeats: int
    _duplicates: DuplicateTracker = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._duplicates = DuplicateTracker(self.placeholder_repeats)

    @property
    def is_done(self) -> bool:
        """Whether every split has its images or no candidates left."""
        return not any(part.wants_more or part.in_flight for part in self.parts)

    def record(self, part: SplitFetch, rank: int, result: FetchResult) -> None:
        """Record the result of a candidate that a split took."""
        part.results[rank] = result
        self._duplicates.record(part.progress, result.key, result.sha256 if result.is_ok else "")

    def results(self) -> list[FetchResult]:
        """Return the result of each candidate tried, by split and rank; repeated bytes become placeholders."""
        return [self._with_placeholder_error(result) for result in self._results()]

    def placeholders(self) -> list[RepeatedBytes]:
        """Return the bytes treated as placeholders, the most frequent first."""
        found: dict[str, list[FetchResult]] = {}
        for result in self._results():
            if result.is_ok and self._duplicates.is_placeholder(result.sha256):
                found.setdefault(result.sha256, []).append(result)
        repeated = [
            RepeatedBytes(sha, len(ones), min(ones, key=lambda one: one.key).url) for sha, ones in found.items()
        ]
        return sorted(repeated, key=lambda one: (-one.urls, one.sha256))

    def _results(self) -> Iterable[FetchResult]:
        return (result for part in self.parts for result in part.results if result is not None)

    def _with_placeholder_error(self, result: FetchResult) -> FetchResult:
        if not result.is_ok or not self._duplicates.is_placeholder(result.sha256):
            return result
        error = ErrorClass.PLACEHOLDER
        return dataclasses.replace(result, error=error, decision=result.decision._replace(error=error))
