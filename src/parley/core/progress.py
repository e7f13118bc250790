"""Progress for a person who waits: a bar where a process has a terminal to itself, a line now and then elsewhere.

The jobs of a workflow share a terminal with each other and with Snakemake. A bar is redrawn in place: two of them
overwrite each other, and what another process says lands behind it. Whole lines stay apart.
"""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 5.0
"""At first. Of what takes long a line comes after every twentieth of the time it took so far."""
MOST_SECONDS_BETWEEN_LINES = 300.0
Item = TypeVar("Item")
_terminal_is_shared = False


def share_terminal() -> None:
    """Tell progress in lines from here on, on a terminal too: other processes write to it at the same time."""
    global _terminal_is_shared
    _terminal_is_shared = True


class Progress:
    """Counts finished pieces of work and shows them.

    Parameters
    ----------
    what
        What is being done, as a short noun phrase.
    total
        Number of pieces, or None when it is not known.
    unit
        What one piece is called.
    brief
        Whether it is mostly over before anybody waits: then nothing is told of what takes less than five seconds.
    """

    def __init__(self, what: str, total: int | None, unit: str = "item", brief: bool = False) -> None:
        self.what, self.total, self.unit, self.brief = what, total, unit, brief
        self.done = 0
        self._told = self._earlier = 0
        self._note = ""
        self._started = self._last_line = time.monotonic()
        self._lines = _terminal_is_shared or not _has_room_for_bar()
        # miniters: else, after quick steps, tqdm waits for as many slow ones.
        self._bar = tqdm(
            total=total,
            desc=what,
            unit=unit,
            disable=self._lines,
            leave=False,
            miniters=1,
            delay=SECONDS_BETWEEN_LINES * brief,
        )

    def resume_from(self, done: int) -> None:
        """Count pieces that an earlier process finished: they say nothing of how fast this one is."""
        self.done = self._told = self._earlier = done
        self._bar.initial = self._bar.n = self._bar.last_print_n = done
        self._bar.refresh()

    def advance(self, pieces: int = 1, note: str = "") -> None:
        """Count finished pieces; `note` stands beside the count until the next one."""
        self.done += pieces
        self._note = note or self._note
        self._bar.set_postfix_str(self._note, refresh=False)
        self._bar.update(pieces)
        now = time.monotonic()
        pause = min(max(SECONDS_BETWEEN_LINES, (now - self._started) / 20), MOST_SECONDS_BETWEEN_LINES)
        if self._lines and now - self._last_line >= pause:
            self._last_line, self._told = now, self.done
            logger.info(self._line(now))

    def _line(self, now: float) -> str:
        rate = (self.done - self._earlier) / max(now - self._started, 1e-9)
        of_total = f" of {self.total}" if self.total is not None else ""
        line = f"{self.what}: {self.done}{of_total} {self.unit}s, {rate:.1f} a second"
        if self.total is not None and rate > 0:
            line += f", {in_words(max(self.total - self.done, 0) / rate)} left"
        return f"{line}, {self._note}" if self._note else line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        if self._lines and kind is None and self._told < self.done and not (self.brief and not self._told):
            logger.info(self._line(time.monotonic()))


def in_words(seconds: float) -> str:
    """Write a span of time with one or two units: 40 s, 5 min, 3 h 20 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _has_room_for_bar() -> bool:
    """Return whether standard error is a terminal of a known size; of none, as in some containers, tqdm draws none."""
    try:
        return sys.stderr.isatty() and min(os.get_terminal_size(sys.stderr.fileno())) > 0
    except (OSError, ValueError):  # Not a file of the system's.
        return False


def tracked(items: Iterable[Item], what: str, total: int | None = None, unit: str = "item") -> Iterator[Item]:
    """Yield the items, showing progress as they are taken."""
    with Progress(what, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()
