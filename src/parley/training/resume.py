"""Runs under way: what they need to go on where they were, should their process end before they do.

It lies in a folder of its own beside each run's files, and is no output of any rule: Snakemake deletes
the outputs of a job that failed. When the runs are done, what they leave is moved to its place. Runs that
share a process are saved together, beside the first.
"""

import contextlib
import logging
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from torch import Tensor

from parley.core.errors import ParleyError
from parley.core.files import remove_leftovers
from parley.training.checkpoint import Checkpoint, moment_of, read_values, save_checkpoint, save_values, values_of

logger = logging.getLogger(__name__)
FOLDER = ".unfinished"


class Saved(NamedTuple):
    """Where runs were; lists have an entry a run."""

    moments: list[Checkpoint]
    """Networks, optimiser and step."""
    lines: list[list[str]]
    """The log so far."""
    window: list[Tensor]
    """What was counted of each step since the last line of the train part, ``[counts, S]`` each."""
    kept: list[list[int]]
    """Steps whose checkpoints are there to choose from."""
    seconds: float
    """Time that training took so far."""


class Unfinished:
    """The folders of runs under way.

    Parameters
    ----------
    folders
        The runs' folders.
    identity
        Tells what is trained, on what, by what code: with another, what is there does not count.
    """

    def __init__(self, folders: Sequence[str | Path], identity: str) -> None:
        self._runs, self._identity = [Path(folder) for folder in folders], identity
        self._folders = [run / FOLDER for run in self._runs]
        self._last = self._folders[0] / "last.pt"
        self.logs = [folder / "metrics.jsonl" for folder in self._folders]
        """Where the logs are written while the runs go on."""

    def load(self) -> Saved | None:
        """Return where the runs were, or None where they begin."""
        if not self._last.exists():
            self._start_afresh()
            return None
        try:
            values = read_values(self._last)
            moments = [moment_of(one, self._last) for one in values["runs"]]
            saved = Saved(moments, *(values[name] for name in ("lines", "window", "kept", "seconds")))
        except (ParleyError, KeyError) as error:
            logger.warning("%s cannot be gone on from (%s); the run starts again.", self._last, error)
            self._start_afresh()
            return None
        if values["identity"] != self._identity or not self._has_all(saved):
            logger.info("The run's settings, inputs or code are others than when it was interrupted; it starts again.")
            self._start_afresh()
            return None
        self._remove_later(saved)
        logger.info("The run was interrupted at step %d and goes on from there.", saved.moments[0].step)
        return saved

    def _has_all(self, saved: Saved) -> bool:
        # A kill while `finish` moves things may leave the last save without what it saves.
        if not all((folder / "checkpoints").is_dir() for folder in self._folders):
            return False
        return all(self._checkpoint(run, step).exists() for run, steps in enumerate(saved.kept) for step in steps)

    def _remove_later(self, saved: Saved) -> None:
        """Remove checkpoints written after the last save, or half written."""
        for run, steps in enumerate(saved.kept):
            known = {self._checkpoint(run, step) for step in steps}
            for path in (self._folders[run] / "checkpoints").iterdir():
                if path not in known:
                    path.unlink()

    def save(self, saved: Saved) -> None:
        """Remember where the runs are, in place of where they were."""
        remove_leftovers(self._last)
        extra = saved._asdict()
        runs = [values_of(moment) for moment in extra.pop("moments")]
        save_values(self._last, {"format": runs[0]["format"], "runs": runs, **extra, "identity": self._identity})

    def keep(self, run: int, moment: Checkpoint) -> None:
        """Keep a run's checkpoint to choose from."""
        save_checkpoint(self._checkpoint(run, moment.step), moment)

    def finish(self) -> None:
        """Move what the runs leave to its place: `checkpoints/` and `metrics.jsonl`; the first run's last."""
        for run, folder, log in reversed(list(zip(self._runs, self._folders, self.logs, strict=True))):
            final = run / "checkpoints"
            shutil.rmtree(final, ignore_errors=True)
            (folder / "checkpoints").replace(final)
            log.replace(run / log.name)
            shutil.rmtree(folder)

    def _checkpoint(self, run: int, step: int) -> Path:
        return self._folders[run] / "checkpoints" / f"{step:08d}.pt"

    def _start_afresh(self) -> None:
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "checkpoints").mkdir(parents=True)


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
