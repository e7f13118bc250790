"""Display progress as a bar if no other process uses the terminal, otherwise as a log line every few seconds.

The jobs of a workflow share a terminal with each other and with Snakemake. Their progress bars would overwrite each
other and mix with other output; whole lines do not mix.
"""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from tqdm import tqdm

from parley.core.formats import file_size, plural

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 5.0
"""Minimum time between log lines. It grows to 1/20 of the elapsed time, up to `MOST_SECONDS_BETWEEN_LINES`."""
MOST_SECONDS_BETWEEN_LINES = 300.0
SHOWN = "PARLEY_VIEW"
"""Environment variable with the `identity_of` the stream on which `parley.runtime.view` shows the run."""
BYTE = "byte"
Item = TypeVar("Item")
_terminal_is_shared = False


def identity_of(descriptor: int) -> str:
    """Return a string that identifies the file or terminal of a descriptor; an empty string if it is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return ""
    return f"{status.st_dev}:{status.st_ino}"


def share_terminal() -> None:
    """Show progress as log lines from now on, even on a terminal, because other processes write to it as well."""
    global _terminal_is_shared
    _terminal_is_shared = True


class Progress:
    """Counter of finished items that displays the progress.

    Parameters
    ----------
    what
        Short label of the work.
    total
        Number of items; None if unknown.
    unit
        Name of one item, in the singular; with `BYTE`, counts are shown as in ``3.4 MB``.
    brief
        If true, show nothing for work that takes less than five seconds.
    """

    def __init__(self, what: str, total: int | None, unit: str = "item", brief: bool = False) -> None:
        self.what, self.total, self.unit, self.brief = what, total, unit, brief
        self.done = 0
        self._told = self._earlier = 0
        self._note = ""
        self._started = self._last_line = time.monotonic()
        self._lines = _terminal_is_shared or not _has_room_for_bar()
        # Without miniters=1, tqdm adapts to fast steps and redraws the bar too rarely if later steps are slow.
        self._bar = tqdm(
            total=total,
            desc=what,
            unit="B" if unit == BYTE else unit,
            unit_scale=unit == BYTE,
            disable=self._lines,
            leave=False,
            miniters=1,
            delay=SECONDS_BETWEEN_LINES * brief,
        )

    def resume_from(self, done: int) -> None:
        """Set the number of items that an earlier process finished. They are not included in the displayed rate."""
        self.done = self._told = self._earlier = done
        self._bar.initial = self._bar.n = self._bar.last_print_n = done
        self._bar.refresh()

    def advance(self, pieces: int = 1, note: str = "") -> None:
        """Add `pieces` finished items. `note` is shown after the count until another note replaces it."""
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
        if self.unit == BYTE:
            share = f"{self.done / self.total:.0%} of {file_size(self.total)}" if self.total else file_size(self.done)
            line = f"{self.what}: {share}, {file_size(rate)} a second"
        else:
            of_total = f" of {self.total}" if self.total is not None else ""
            line = f"{self.what}: {self.done}{of_total} {plural(self.unit)}, {rate:.1f} a second"
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
    """Format a duration with one or two units: 40 s, 5 min, 3 h 20 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _has_room_for_bar() -> bool:
    """Return whether standard error is a terminal of known size; tqdm draws no bar if the size is unknown."""
    try:
        return sys.stderr.isatty() and min(os.get_terminal_size(sys.stderr.fileno())) > 0
    except (OSError, ValueError):  # Standard error has no file descriptor or is closed.
        return False


def tracked(items: Iterable[Item], what: str, total: int | None = None, unit: str = "item") -> Iterator[Item]:
    """Yield the items and show the progress."""
    with Progress(what, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()
