"""Save runs in progress and resume them after an interruption.

While a run is in progress, its files are in the subfolder `.unfinished` of its output folder. No rule declares this
subfolder as an output, because Snakemake deletes the outputs of a failed job. When the run is finished, the files are
moved to the output folder. Runs that are trained in one process are saved together, in the first run's subfolder.
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
    """The state of S runs in progress that are trained in one process."""

    checkpoints: list[Checkpoint]
    """Checkpoint of each run at the same step, with the state of its optimiser."""
    log_lines: list[list[str]]
    """Lines of each run's log."""
    loss_window: list[Tensor]
    """Training metrics ``[metrics, S]`` of each step that has been taken since metrics were last logged."""
    checkpoint_steps: list[list[int]]
    """For each run, the steps whose checkpoints are kept as candidates for checkpoint selection."""
    seconds: float
    """Duration of the training so far, in seconds."""


class ResumableRuns:
    """Save and load the state of runs in progress.

    Parameters
    ----------
    folders
        Output folder of each run.
    identity
        Digest of settings, inputs and code. A saved state with a different digest is discarded.
    """

    def __init__(self, folders: Sequence[str | Path], identity: str) -> None:
        self._runs, self._identity = [Path(folder) for folder in folders], identity
        self._folders = [run / FOLDER for run in self._runs]
        self._last = self._folders[0] / "last.pt"
        self.logs = [folder / "metrics.jsonl" for folder in self._folders]
        """Paths of the logs while the runs are in progress."""

    def load(self) -> ResumeState | None:
        """Load the saved state. If it is missing or unusable, empty the `.unfinished` folders and return None."""
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
        # If the process was killed in `finish`, the saved state still exists, but its checkpoints may have been moved.
        if not all((folder / "checkpoints").is_dir() for folder in self._folders):
            return False
        return all(
            self._checkpoint_path(run, step).exists()
            for run, steps in enumerate(saved.checkpoint_steps)
            for step in steps
        )

    def _remove_later(self, saved: ResumeState) -> None:
        """Remove checkpoints that were written after the state was saved, and incompletely written files."""
        for run, steps in enumerate(saved.checkpoint_steps):
            known = {self._checkpoint_path(run, step) for step in steps}
            for path in (self._folders[run] / "checkpoints").iterdir():
                if path not in known:
                    path.unlink()

    def save(self, saved: ResumeState) -> None:
        """Save the state of the runs. A previously saved state is replaced."""
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
        """Move `checkpoints/` and `metrics.jsonl` to the output folder of each run.

        The first run's files are moved last: its `.unfinished` folder also holds the saved state of all runs, which is
        needed to resume if the moves are interrupted.
        """
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
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Catch SIGTERM and SIGINT (Ctrl-C) in the `with` block, and yield a function that tells whether one was caught."""
    if threading.current_thread() is not threading.main_thread():  # Only the main thread can set signal handlers.
        yield lambda: False
        return
    came = threading.Event()
    heeded = [one for one in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, lambda *_: came.set()) for one in heeded}
    try:
        yield came.is_set
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
