"""The training log: `metrics.jsonl`, and optionally TensorBoard events."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from parley.core.errors import ParleyError


class Log:
    """Writer of `metrics.jsonl`, which has one JSON object per line. The file is flushed after each line.

    Parameters
    ----------
    path
        Path of `metrics.jsonl`.
    started
        Time at which training started, in seconds on the clock `time.monotonic`.
    lines
        Lines written before an interruption, if the run is resumed.
    board
        Folder for TensorBoard events; None to write no events.

    Attributes
    ----------
    lines
        All lines of the log.
    failed
        Whether the last line records that the run failed.
    """

    def __init__(self, path: Path, started: float, lines: Sequence[str] = (), board: Path | None = None) -> None:
        self.lines: list[str] = []
        self.failed = False
        self._started = started
        # Dev accuracy@k values. Early stopping needs them at every step; keeping them avoids parsing the lines again.
        self._dev_results: list[float] = []
        for line in lines:
            self._keep(line, json.loads(line))
        self._stream = path.open("w", encoding="utf-8")
        self._stream.writelines(line + "\n" for line in self.lines)
        self._board = None if board is None else _board(board, json.loads(lines[-1])["step"] if lines else 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        if self._board is not None:
            self._board.close()

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Write one line, including the time since training started, in seconds.

        Parameters
        ----------
        kind
            ``train``, ``dev``, or ``failed`` for the last line of a run that failed.
        step
            The training step.
        values
            Metrics, or the reason for the failure.
        """
        row = {"kind": kind, "step": step, "seconds": round(time.monotonic() - self._started, 3), **values}
        self._keep(json.dumps(row, allow_nan=False), row)
        self._stream.write(self.lines[-1] + "\n")
        self._stream.flush()
        if self._board is not None:
            for name, value in scalars({"kind": kind, **values}).items():
                self._board.add_scalar(name, value, step)

    def _keep(self, line: str, row: Mapping[str, Any]) -> None:
        self.lines.append(line)
        self.failed = row["kind"] == "failed"
        if row["kind"] == "dev":
            self._dev_results.append(row["accuracy@k"])

    def should_stop_early(self, patience: int) -> bool:
        """Return whether the last `patience` evaluations did not improve dev accuracy@k; never stop if it is 0."""
        results = self._dev_results
        return 0 < patience < len(results) - results.index(max(results)) if results else False


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics in a line of the log, by the names that TensorBoard and other trackers show."""
    return {
        f"{line['kind']}/{name.replace('@', '_at_')}": value
        for name, value in line.items()
        if isinstance(value, int | float) and name not in ("step", "seconds")
    }


def _board(folder: Path, step: int) -> Any:
    """Return a TensorBoard writer. Events after `step` that an interrupted process wrote are discarded."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ParleyError(
            "training.tensorboard is true, but the package tensorboard is not installed; install it "
            "(`uv sync --extra tensorboard`) or set training.tensorboard to false."
        ) from error
    return SummaryWriter(str(folder), purge_step=step + 1)
