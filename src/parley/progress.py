"""Progress for a person who waits: a bar on a terminal, a line every few seconds elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 5.0
Item = TypeVar("Item")


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
    """

    def __init__(self, what: str, total: int | None, unit: str = "item") -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self._told = 0
        self._note = ""
        self._started = self._last_line = time.monotonic()
        on_terminal = sys.stderr.isatty()
        self._bar = tqdm(total=total, desc=what, unit=unit, disable=not on_terminal, leave=False)
        self._lines = not on_terminal

    def advance(self, pieces: int = 1, note: str = "") -> None:
        """Count finished pieces; `note` stands beside the count until the next one."""
        self.done += pieces
        self._note = note or self._note
        self._bar.set_postfix_str(self._note, refresh=False)
        self._bar.update(pieces)
        now = time.monotonic()
        if self._lines and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line, self._told = now, self.done
            logger.info(self._line(now))

    def _line(self, now: float) -> str:
        rate = self.done / max(now - self._started, 1e-9)
        of_total = f" of {self.total}" if self.total is not None else ""
        line = f"{self.what}: {self.done}{of_total} {self.unit}s, {rate:.1f} a second"
        if self.total is not None and rate > 0:
            line += f", {max(self.total - self.done, 0) / rate:.0f} s left"
        return f"{line}, {self._note}" if self._note else line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        if self._lines and kind is None and self._told < self.done:
            logger.info(self._line(time.monotonic()))


def tracked(items: Iterable[Item], what: str, total: int | None = None, unit: str = "item") -> Iterator[Item]:
    """Yield the items, showing progress as they are taken."""
    with Progress(what, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()
