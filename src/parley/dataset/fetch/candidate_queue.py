"""How far the reserves of a class are walked, and what was found there.

Of the images that a part's URLs give, those *count* towards its target that are, within the class,

(a) not of bytes that come under more than so many URLs, and
(b) the lowest key among those of their bytes.

What is walked is the least vector of stretches, one stretch a reserve from its beginning, at which
every part has its target or no candidates left. It is a pure function of the plan and of what the
URLs give, whatever the order of the answers:

1.  A further image *seen* in the class lowers or leaves the number that counts in every part other than
    its own, and raises its own part's by one at most: it may take the bytes from a higher key of another
    part, or make them too frequent; it makes nothing count that did not. (A higher key of its own part
    that it takes the bytes from is made up for by itself.)
2.  A part takes a candidate only while those that count and those under way are fewer than its target.
    By 1, that sum never rises by an answer. So when a part takes a candidate, fewer than its target
    count, and would if all answers of all that was taken were in.
3.  Let N be any vector of stretches with which every part is content, and suppose all stretches so far
    lie within N. A part that has walked as far as N goes has, by 1, at least as many that count as
    with N, where more of the other parts is seen; so it has its target or its end, and by 2 it takes no
    more. So no part ever walks beyond N.
4.  The walk ends when all answers are in and no part wants more: content, and within every N. So it is
    the least of them.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from parley.dataset.fetch.outcomes import ErrorClass, FetchResult
from parley.dataset.fetch.repeated_bytes import RepeatedBytes

Candidate = tuple[str, str]
"""Key and URL."""


class Reserve(Protocol):
    """A part's candidates, of which each is asked for once, by rank; `parley.dataset.plan_file.Reserve`, or a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, rank: int, /) -> Candidate: ...


@dataclass
class QueueProgress:
    """How much of one reserve was taken, and how much of that counts.

    Attributes
    ----------
    candidates
        Length of the reserve.
    target
        Images wanted: the part's count and its margin.
    taken
        Candidates taken, answered or not.
    in_flight
        Those not answered yet.
    ok
        Images that count.
    """

    candidates: int
    target: int
    taken: int = 0
    in_flight: int = 0
    ok: int = 0

    @property
    def wants_more(self) -> bool:
        """Whether another candidate is to be taken now."""
        return self.ok + self.in_flight < self.target and self.taken < self.candidates

    def take(self) -> int:
        """Take the next candidate; return its rank."""
        self.taken += 1
        self.in_flight += 1
        return self.taken - 1


@dataclass
class _Holders:
    """The images of a class that have the same bytes: how many, and which of them counts."""

    number: int
    lowest_key: str
    stretch: QueueProgress


class DuplicateTracker:
    """Which images of a class count: the one place that decides it, for the walk and for settling.

    Parameters
    ----------
    placeholder_repeats
        Bytes that come under more URLs than this are no image.
    """

    def __init__(self, placeholder_repeats: int) -> None:
        self._most = placeholder_repeats
        self._holders: dict[str, _Holders] = {}

    def answer(self, stretch: QueueProgress, key: str, sha256: str) -> None:
        """Note what came of a candidate that a stretch had under way; `sha256` is empty where no image came."""
        stretch.in_flight -= 1
        if not sha256:
            return
        holders = self._holders.get(sha256)
        if holders is None:
            self._holders[sha256] = _Holders(1, key, stretch)
            stretch.ok += 1
            return
        holders.number += 1
        if holders.number == self._most + 1:
            holders.stretch.ok -= 1
        elif holders.number <= self._most and key < holders.lowest_key:
            holders.stretch.ok -= 1
            stretch.ok += 1
            holders.lowest_key, holders.stretch = key, stretch

    def is_placeholder(self, sha256: str) -> bool:
        """Say whether bytes came under too many URLs."""
        return sha256 in self._holders and self._holders[sha256].number > self._most


def first_mismatch(
    stretches: Sequence[QueueProgress], answers: Sequence[Sequence[tuple[str, str]]], claims: DuplicateTracker
) -> int | None:
    """Walk reserves whose answers are known, one after another; return the first that is not just so long.

    Parameters
    ----------
    stretches
        A stretch a reserve, nothing of it taken yet.
    answers
        For each reserve the answers given to it, by rank: key, and SHA-256 or empty.
    claims
        Of the class, nothing noted yet.

    Returns
    -------
    The place of a reserve whose answers are fewer or more than the walk takes, or None.
    """
    while (place := _first_wanting(stretches)) is not None:
        rank = stretches[place].take()
        if rank == len(answers[place]):
            return place
        claims.answer(stretches[place], *answers[place][rank])
    ends = enumerate(zip(stretches, answers, strict=True))
    return next((place for place, (stretch, given) in ends if stretch.taken < len(given)), None)


def _first_wanting(stretches: Sequence[QueueProgress]) -> int | None:
    return next((place for place, stretch in enumerate(stretches) if stretch.wants_more), None)


@dataclass
class SplitFetch:
    """How far one part's reserve is walked.

    Attributes
    ----------
    part
        The part.
    reserve
        Its candidates by rank.
    count
        Images the part needs.
    target
        Images wanted: the count and its margin.
    stretch
        How far it is walked.
    tried
        What came of the candidates asked for so far, by rank; None while under way.
    """

    part: str
    reserve: Reserve
    count: int
    target: int
    tried: list[FetchResult | None] = field(default_factory=list)
    stretch: QueueProgress = field(init=False)

    def __post_init__(self) -> None:
        self.stretch = QueueProgress(len(self.reserve), self.target)

    @property
    def wants_more(self) -> bool:
        """Whether another candidate is to be asked for now."""
        return self.stretch.wants_more

    @property
    def in_flight(self) -> int:
        """Candidates asked for and not answered."""
        return self.stretch.in_flight

    @property
    def ok(self) -> int:
        """Images that count."""
        return self.stretch.ok

    def take(self) -> int:
        """Take the next candidate; return its rank."""
        self.tried.append(None)
        return self.stretch.take()


@dataclass
class ClassFetch:
    """The reserves of one class, by part in the plan's order.

    Attributes
    ----------
    name
        The class.
    parts
        Its parts.
    placeholder_repeats
        Bytes that come under more of the class's URLs than this are no image.
    """

    name: str
    parts: Sequence[SplitFetch]
    placeholder_repeats: int
    _claims: DuplicateTracker = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._claims = DuplicateTracker(self.placeholder_repeats)

    @property
    def is_done(self) -> bool:
        """Whether every part has its images, or no candidates left."""
        return not any(part.wants_more or part.in_flight for part in self.parts)

    def record(self, part: SplitFetch, rank: int, tried: FetchResult) -> None:
        """Note what came of a candidate that a part took."""
        part.tried[rank] = tried
        self._claims.answer(part.stretch, tried.key, tried.sha256 if tried.is_ok else "")

    def finished(self) -> list[FetchResult]:
        """Return what came of each candidate tried, by part and rank; repeated bytes as placeholders."""
        return [self._judged(tried) for tried in self._answers()]

    def repeated(self) -> list[RepeatedBytes]:
        """Return the bytes taken for placeholders, the most frequent first."""
        found: dict[str, list[FetchResult]] = {}
        for tried in self._answers():
            if tried.is_ok and self._claims.is_placeholder(tried.sha256):
                found.setdefault(tried.sha256, []).append(tried)
        repeated = [
            RepeatedBytes(sha, len(ones), min(ones, key=lambda one: one.key).url) for sha, ones in found.items()
        ]
        return sorted(repeated, key=lambda one: (-one.urls, one.sha256))

    def _answers(self) -> Iterable[FetchResult]:
        return (tried for part in self.parts for tried in part.tried if tried is not None)

    def _judged(self, tried: FetchResult) -> FetchResult:
        if not tried.is_ok or not self._claims.is_placeholder(tried.sha256):
            return tried
        error = ErrorClass.PLACEHOLDER
        return dataclasses.replace(tried, error=error, decision=tried.decision._replace(error=error))
