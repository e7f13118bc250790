"""Save runs in progress and resume them after an interruption.

Each run has a folder `.unfinished` beside its outputs, which is not an output of a rule, because Snakemake deletes the
outputs of a failed job. Finished runs move their files from there. Runs that share a process are saved together, in the
first run's folder.
"""

import contextlib
import logging
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
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
    """The state of runs in progress; lists of S have one entry for each run."""

    checkpoints: list[Checkpoint]
    """S checkpoints: networks, optimiser and step."""
    log_lines: list[list[str]]
    """S logs: their lines so far."""
    loss_window: list[Tensor]
    """Metrics of each step since the last line of the log, ``[metrics, S]`` each."""
    checkpoint_steps: list[list[int]]
    """S lists of the steps whose checkpoints are kept to choose from."""
    seconds: float
    """Duration of the training so far."""


class ResumableRuns:
    """The saved state of runs in progress.

    Parameters
    ----------
    folders
        The runs' folders.
    identity
        Digest of settings, inputs and code; a state saved under another one is discarded.
    """

    def __init__(self, folders: Sequence[str | Path], identity: str) -> None:
        self._runs, self._identity = [Path(folder) for folder in folders], identity
        self._folders = [run / FOLDER for run in self._runs]
        self._last = self._folders[0] / "last.pt"
        self.logs = [folder / "metrics.jsonl" for folder in self._folders]
        """Paths of the logs while the runs are in progress."""

    def load(self) -> ResumeState | None:
        """Return the saved state, or None if there is none that counts; then the runs start from empty folders."""
        if not self._last.exists():
            self._start_afresh()
            return None
        try:
            values = read_values(self._last)
            checkpoints = [checkpoint_from_values(one, self._last) for one in values["runs"]]
            saved = ResumeState(checkpoints, *(values[name] for name in ("lines", "window", "kept", "seconds")))
        except (ParleyError, KeyError) as error:
            logger.warning("%s is unusable (%s); the run starts again.", self._last, error)
            self._start_afresh()
            return None
        if values["identity"] != self._identity or not self._has_all(saved):
            logger.info("The run's settings, inputs or code changed since it was interrupted; it starts again.")
            self._start_afresh()
            return None
        self._remove_later(saved)
        logger.info("The run was interrupted at step %d and continues from there.", saved.checkpoints[0].step)
        return saved

    def _has_all(self, saved: ResumeState) -> bool:
        # A kill during `finish` may leave a state whose checkpoints were moved away.
        if not all((folder / "checkpoints").is_dir() for folder in self._folders):
            return False
        return all(
            self._checkpoint_path(run, step).exists()
            for run, steps in enumerate(saved.checkpoint_steps)
            for step in steps
        )

    def _remove_later(self, saved: ResumeState) -> None:
        """Remove checkpoints that were written after the state was saved, or incompletely."""
        for run, steps in enumerate(saved.checkpoint_steps):
            known = {self._checkpoint_path(run, step) for step in steps}
            for path in (self._folders[run] / "checkpoints").iterdir():
                if path not in known:
                    path.unlink()

    def save(self, saved: ResumeState) -> None:
        """Save the state of the runs, replacing an earlier one."""
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
        """Write a run's checkpoint as a candidate for checkpoint selection."""
        save_checkpoint(self._checkpoint_path(run, checkpoint.step), checkpoint)

    def finish(self) -> None:
        """Move `checkpoints/` and `metrics.jsonl` to the runs' folders; those of the first run last."""
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
    """Catch SIGTERM within the block, and yield a function that returns whether it came."""
    if threading.current_thread() is not threading.main_thread():  # Other threads cannot set signal handlers.
        yield lambda: False
        return
    came = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: came.set())
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
