"""A run under way: what it needs to go on where it was, should its process end before it does.

It lies in a folder of its own beside the run's files, and is no output of any rule: Snakemake deletes
the outputs of a job that failed. When the run is done, what it leaves is moved to its place.
"""

import contextlib
import logging
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from parley.checkpoints import Checkpoint, moment_of, read_values, save_checkpoint, save_values, values_of
from parley.errors import ParleyError
from parley.files import remove_leftovers

logger = logging.getLogger(__name__)
FOLDER = ".unfinished"


class Saved(NamedTuple):
    """Where a run was.

    Attributes
    ----------
    moment
        Networks, optimisers and step.
    lines
        The log so far.
    window
        What was counted of each step since the last line of the train part.
    kept
        Steps whose checkpoints are there to choose from.
    seconds
        Time that training took so far.
    """

    moment: Checkpoint
    lines: list[str]
    window: list[dict[str, float]]
    kept: list[int]
    seconds: float


class Unfinished:
    """The folder of a run under way.

    Parameters
    ----------
    folder
        The run's folder.
    identity
        Tells what is trained, on what, by what code: with another, what is there does not count.
    """

    def __init__(self, folder: str | Path, identity: str) -> None:
        self._run, self._identity = Path(folder), identity
        self._folder = self._run / FOLDER
        self._last = self._folder / "last.pt"
        self._checkpoints = self._folder / "checkpoints"
        self.log = self._folder / "metrics.jsonl"
        """Where the log is written while the run goes on."""

    def load(self) -> Saved | None:
        """Return where the run was, or None where it begins."""
        if not self._last.exists():
            self._start_afresh()
            return None
        try:
            values = read_values(self._last)
            saved = Saved(
                moment_of(values, self._last), *(values[name] for name in ("lines", "window", "kept", "seconds"))
            )
        except (ParleyError, KeyError) as error:
            logger.warning("%s cannot be gone on from (%s); the run starts again.", self._last, error)
            self._start_afresh()
            return None
        if values["identity"] != self._identity or not all(self._checkpoint(step).exists() for step in saved.kept):
            logger.info("The run's settings, inputs or code are others than when it was interrupted; it starts again.")
            self._start_afresh()
            return None
        for path in self._checkpoints.iterdir():  # Written after the last save, or half written.
            if path not in {self._checkpoint(step) for step in saved.kept}:
                path.unlink()
        logger.info("The run was interrupted at step %d and goes on from there.", saved.moment.step)
        return saved

    def save(self, saved: Saved) -> None:
        """Remember where the run is, in place of where it was."""
        remove_leftovers(self._last)
        extra = saved._asdict()
        del extra["moment"]
        save_values(self._last, {**values_of(saved.moment), **extra, "identity": self._identity})

    def keep(self, moment: Checkpoint) -> None:
        """Keep a checkpoint to choose from."""
        save_checkpoint(self._checkpoint(moment.step), moment)

    def finish(self) -> None:
        """Move what the run leaves to its place: `checkpoints/` and `metrics.jsonl`."""
        final = self._run / "checkpoints"
        shutil.rmtree(final, ignore_errors=True)
        self._checkpoints.replace(final)
        self.log.replace(self._run / self.log.name)
        shutil.rmtree(self._folder)

    def _checkpoint(self, step: int) -> Path:
        return self._checkpoints / f"{step:08d}.pt"

    def _start_afresh(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._checkpoints.mkdir(parents=True)


@contextlib.contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether SIGTERM has come, which within the block ends nothing by itself."""
    if threading.current_thread() is not threading.main_thread():  # Only that one may say what a signal does.
        yield lambda: False
        return
    came = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        came.set()

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
