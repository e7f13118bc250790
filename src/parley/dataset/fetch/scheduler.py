"""The walk along the reserves: as many requests at once as may be, and not one too many.

A part's next candidate is asked for only while the images that count for it and the requests under way
for it are fewer than it wants. So the URLs tried are exactly the shortest stretches of the reserves that hold
the images wanted: the same whatever the order of the answers, after a kill and in an undisturbed run
(`parley.dataset.fetch.candidate_queue` says which count, and why this is so).
"""

from collections.abc import Callable, Generator, Hashable, Iterator
from typing import Protocol

from parley.dataset.fetch.candidate_queue import Candidate, ClassFetch, SplitFetch
from parley.dataset.fetch.outcomes import FetchResult

_Task = tuple[ClassFetch, SplitFetch, int]


class Fetcher(Protocol):
    """What a walk asks for candidates; `parley.dataset.fetch.images.Images` is the one that fetches."""

    def begin(self, candidate: Candidate, token: Hashable) -> None:
        """Ask for a candidate."""

    def finished(self) -> list[tuple[Hashable, FetchResult]]:
        """Return what came of some of those asked for, of at least one, each with its token."""


class Scheduler:
    """Walks the reserves of classes.

    Parameters
    ----------
    asker
        Gives what comes of a candidate.
    window
        Candidates asked for and not answered, at most. More than may be asked at once, so that those
        of hosts with room are not kept waiting by those of hosts without.
    on_tried
        Called for each URL tried.
    """

    def __init__(self, asker: Fetcher, window: int, on_tried: Callable[[FetchResult], None]) -> None:
        self._asker, self._window, self._on_tried = asker, window, on_tried
        self._open: list[ClassFetch] = []
        self._tasks: dict[Hashable, _Task] = {}

    def walk(self, classes: Iterator[ClassFetch]) -> Generator[ClassFetch, None, None]:
        """Yield each class when it is done. Classes are opened as there is room, so few are held at once."""
        number = 0
        while True:
            while len(self._tasks) < self._window and (task := self._next_task(classes)) is not None:
                number += 1
                self._tasks[number] = task
                _, part, rank = task
                self._asker.begin(part.reserve[rank], number)
            yield from self._done()
            if not self._tasks:
                return
            for token, tried in self._asker.finished():
                opened, part, rank = self._tasks.pop(token)
                opened.record(part, rank, tried)
                self._on_tried(tried)

    def _next_task(self, classes: Iterator[ClassFetch]) -> _Task | None:
        """Take a candidate from the class longest open, else from a class newly opened."""
        for opened in self._open:
            for part in opened.parts:
                if part.wants_more:
                    return opened, part, part.take()
        for opened in classes:
            self._open.append(opened)
            for part in opened.parts:
                if part.wants_more:
                    return opened, part, part.take()
        return None

    def _done(self) -> Iterator[ClassFetch]:
        done = [opened for opened in self._open if opened.is_done]
        if done:
            self._open = [opened for opened in self._open if not opened.is_done]
        yield from done
