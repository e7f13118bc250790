"""Schedule requests over the candidate queues of many classes: concurrent, but never one URL more than needed.

A split's next candidate is requested only while its accepted images and its requests in flight are together fewer
than its target. So the URLs tried are exactly the shortest prefixes of the candidate queues that contain the images
needed, independent of the order of the answers and of interruptions (`parley.dataset.fetch.candidate_queue` defines
which images count, and proves this).
"""

from collections.abc import Callable, Generator, Hashable, Iterator
from typing import Protocol

from parley.dataset.fetch.candidate_queue import Candidate, ClassFetch, SplitFetch
from parley.dataset.fetch.outcomes import FetchResult

_Task = tuple[ClassFetch, SplitFetch, int]


class Fetcher(Protocol):
    """Fetches candidates; implemented by `parley.dataset.fetch.images.Images`."""

    def submit(self, candidate: Candidate, token: Hashable) -> None:
        """Submit a candidate."""

    def completed(self) -> list[tuple[Hashable, FetchResult]]:
        """Return the results of at least one submitted candidate, each with its token."""


class Scheduler:
    """Requests the candidates of classes.

    Parameters
    ----------
    fetcher
        Fetches candidates.
    window
        Maximum number of candidates in flight. Larger than the number of concurrent requests, so that candidates of
        busy hosts do not block those of idle hosts.
    on_result
        Called with the result of each URL.
    """

    def __init__(self, fetcher: Fetcher, window: int, on_result: Callable[[FetchResult], None]) -> None:
        self._fetcher, self._window, self._on_tried = fetcher, window, on_result
        self._open: list[ClassFetch] = []
        self._tasks: dict[Hashable, _Task] = {}

    def run(self, classes: Iterator[ClassFetch]) -> Generator[ClassFetch, None, None]:
        """Yield each class when it is done. Classes are opened only when needed, so few are in memory at once."""
        number = 0
        while True:
            while len(self._tasks) < self._window and (task := self._next_task(classes)) is not None:
                number += 1
                self._tasks[number] = task
                _, part, rank = task
                self._fetcher.submit(part.queue[rank], number)
            yield from self._done()
            if not self._tasks:
                return
            for token, result in self._fetcher.completed():
                opened, part, rank = self._tasks.pop(token)
                opened.record(part, rank, result)
                self._on_tried(result)

    def _next_task(self, classes: Iterator[ClassFetch]) -> _Task | None:
        """Take a candidate from the class opened first, or else open another class."""
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
