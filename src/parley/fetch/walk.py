"""The walk along the reserves: as many requests at once as may be, and not one too many.

A part's next candidate is asked for only while the images it has and the requests under way for it
are fewer than it wants. So the URLs tried are exactly the shortest stretch of the reserve that holds
the images wanted: the same whatever the threads and the order of the answers, after a kill and in
an undisturbed run.
"""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

from parley.fetch.outcomes import Tried

logger = logging.getLogger(__name__)
Candidate = tuple[str, str]
"""Key and URL."""


@dataclass
class ReserveWalk:
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
    tried
        What came of the candidates asked for so far, by rank; None while under way.
    """

    part: str
    reserve: Sequence[Candidate]
    count: int
    target: int
    tried: list[Tried | None] = field(default_factory=list)
    under_way: int = 0
    ok: int = 0

    @property
    def wants_more(self) -> bool:
        """Whether another candidate is to be asked for now."""
        return self.ok + self.under_way < self.target and len(self.tried) < len(self.reserve)

    def take(self) -> int:
        """Take the next candidate; return its rank."""
        self.tried.append(None)
        self.under_way += 1
        return len(self.tried) - 1

    def record(self, rank: int, tried: Tried) -> None:
        """Note what came of a candidate taken."""
        self.tried[rank] = tried
        self.under_way -= 1
        self.ok += tried.is_ok

    def finished(self) -> list[Tried]:
        """Return what came of each candidate tried, by rank."""
        return [tried for tried in self.tried if tried is not None]


@dataclass
class ClassWalk:
    """The reserves of one class, by part in the plan's order."""

    name: str
    parts: Sequence[ReserveWalk]

    @property
    def is_done(self) -> bool:
        """Whether every part has its images, or no candidates left."""
        return not any(part.wants_more or part.under_way for part in self.parts)


_Task = tuple[ClassWalk, ReserveWalk, int]


class Walker:
    """Walks the reserves of classes with a pool of threads.

    Parameters
    ----------
    ask
        Gives what came of a candidate (key, URL); called from many threads.
    threads
        Calls under way at once.
    on_tried
        Called in the caller's thread for each URL tried.
    call_off
        Called when the walk ends early, so that calls under way end soon.
    """

    def __init__(
        self,
        ask: Callable[[Candidate], Tried],
        threads: int,
        on_tried: Callable[[Tried], None],
        call_off: Callable[[], None],
    ) -> None:
        self._ask, self._threads, self._on_tried, self._call_off = ask, threads, on_tried, call_off
        self._results: SimpleQueue[tuple[_Task, Future[Tried]]] = SimpleQueue()
        self._open: list[ClassWalk] = []

    def walk(self, classes: Iterator[ClassWalk]) -> Generator[ClassWalk, None, None]:
        """Yield each class when it is done. Classes are opened as workers fall idle, so few are held at once."""
        with ThreadPoolExecutor(self._threads, thread_name_prefix="fetch") as pool:
            try:
                yield from self._walk(classes, pool)
            except BaseException:  # An interrupt and an abandoned walk included.
                self._call_off()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _walk(self, classes: Iterator[ClassWalk], pool: ThreadPoolExecutor) -> Iterator[ClassWalk]:
        under_way = 0
        while True:
            # Twice the threads, so that no worker waits while this thread packs a class.
            while under_way < 2 * self._threads and (task := self._next_task(classes)) is not None:
                self._submit(task, pool)
                under_way += 1
            yield from self._done()
            if not under_way:
                return
            (_, part, rank), future = self._results.get()
            under_way -= 1
            tried = future.result()
            part.record(rank, tried)
            self._on_tried(tried)

    def _next_task(self, classes: Iterator[ClassWalk]) -> _Task | None:
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

    def _submit(self, task: _Task, pool: ThreadPoolExecutor) -> None:
        _, part, rank = task
        future = pool.submit(self._ask, part.reserve[rank])
        future.add_done_callback(lambda done: self._results.put((task, done)))

    def _done(self) -> Iterator[ClassWalk]:
        done = [opened for opened in self._open if opened.is_done]
        self._open = [opened for opened in self._open if not opened.is_done]
        yield from done
