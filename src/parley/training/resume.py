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
from parley.training.checkpoint import (
    Checkpoint,
    checkpoint_from_values,
    read_values,
    save_checkpoint,
    save_values,
    values_of,
)

logger = logging.getLogger(__name__)
FOLDER = ".unfinished"


class ResumeState(NamedTuple):
    """Where runs were; lists have an entry a run."""

    checkpoints: list[Checkpoint]
    """Networks, optimiser and step."""
    log_lines: list[list[str]]
    """The log so far."""
    loss_window: list[Tensor]
    """What was counted of each step since the last line of the train part, ``[counts, S]`` each."""
    checkpoint_steps: list[list[int]]
    """Steps whose checkpoints are there to choose from."""
    seconds: float
    """Time that training took so far."""


class ResumableRuns:
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

    def load(self) -> ResumeState | None:
        """Return where the runs were, or None where they begin."""
        if not self._last.exists():
            self._start_afresh()
            return None
        try:
            values = read_values(self._last)
            checkpoints = [checkpoint_from_values(one, self._last) for one in values["runs"]]
            saved = ResumeState(checkpoints, *(values[name] for name in ("lines", "window", "kept", "seconds")))
        except (ParleyError, KeyError) as error:
            logger.warning("%s cannot be gone on from (%s); the run starts again.", self._last, error)
            self._start_afresh()
            return None
        if values["identity"] != self._identity or not self._has_all(saved):
            logger.info("The run's settings, inputs or code are others than when it was interrupted; it starts again.")
            self._start_afresh()
            return None
        self._remove_later(saved)
        logger.info("The run was interrupted at step %d and goes on from there.", saved.checkpoints[0].step)
        return saved

    def _has_all(self, saved: ResumeState) -> bool:
        # A kill while `finish` moves things may leave the last save without what it saves.
        if not all((folder / "checkpoints").is_dir() for folder in self._folders):
            return False
        return all(
            self._checkpoint_path(run, step).exists()
            for run, steps in enumerate(saved.checkpoint_steps)
            for step in steps
        )

    def _remove_later(self, saved: ResumeState) -> None:
        """Remove checkpoints written after the last save, or half written."""
        for run, steps in enumerate(saved.checkpoint_steps):
            known = {self._checkpoint_path(run, step) for step in steps}
            for path in (self._folders[run] / "checkpoints").iterdir():
                if path not in known:
                    path.unlink()

    def save(self, saved: ResumeState) -> None:
        """Remember where the runs are, in place of where they were."""
        remove_leftovers(self._last)
        runs = [values_of(checkpoint) for checkpoint in saved.checkpoints]
        values = {
            "format": runs[0]["format"],
            "runs": runs,
            "lines": saved.log_lines,
            "window": saved.loss_window,
            "kept": saved.checkpoint_steps,
            "seconds": saved.seconds,
            "identity": self._identity,
        }
        save_values(self._last, values)

    def keep_checkpoint(self, run: int, checkpoint: Checkpoint) -> None:
        """Keep a run's checkpoint to choose from."""
        save_checkpoint(self._checkpoint_path(run, checkpoint.step), checkpoint)

    def finish(self) -> None:
        """Move what the runs leave to its place: `checkpoints/` and `metrics.jsonl`; the first run's last."""
        for run, folder, log in reversed(list(zip(self._runs, self._folders, self.logs, strict=True))):
            final = run / "checkpoints"
            shutil.rmtree(final, ignore_errors=True)
            (folder / "checkpoints").replace(final)
            log.replace(run / log.name)
            shutil.rmtree(folder)

    def _checkpoint_path(self, run: int, step: int) -> Path:
        return self._folders[run] / "checkpoints" / f"{step:08d}.pt"

    def _start_afresh(self) -> None:
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "checkpoints").mkdir(parents=True)


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[Callable[[], bool]]:
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
