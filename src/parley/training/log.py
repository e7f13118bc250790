"""What a run writes down while it trains: `metrics.jsonl`, and TensorBoard's events where they are wanted."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from parley.core.errors import ParleyError


class Clock:
    """Seconds since training began, interruptions left out.

    Parameters
    ----------
    before
        Seconds that passed before an interruption.
    """

    def __init__(self, before: float = 0.0) -> None:
        self._started = time.monotonic() - before

    @property
    def seconds(self) -> float:
        """Time so far."""
        return time.monotonic() - self._started


class Log:
    """Writes `metrics.jsonl`, an object a line, and flushes it so that it can be watched.

    Parameters
    ----------
    path
        Where to write.
    clock
        Of the training.
    lines
        The log so far, of a run that goes on.
    board
        A folder for TensorBoard's events; None for none.

    Attributes
    ----------
    lines
        The log.
    failed
        Whether the run was given up.
    """

    def __init__(self, path: Path, clock: Clock, lines: Sequence[str] = (), board: Path | None = None) -> None:
        self.lines: list[str] = []
        self.failed = False
        # Asked for at every step, and read off the lines once.
        self._dev_results: list[float] = []
        for line in lines:
            self._keep(line, json.loads(line))
        self._clock = clock
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
        """Write one line, with the seconds since training began."""
        row = {"kind": kind, "step": step, "seconds": round(self._clock.seconds, 3), **values}
        self._keep(json.dumps(row, allow_nan=False), row)
        self._stream.write(self.lines[-1] + "\n")
        self._stream.flush()
        if self._board is not None:
            for name, value in values.items():
                if not isinstance(value, int | float):
                    continue
                self._board.add_scalar(f"{kind}/{name.replace('@', '_at_')}", value, step)

    def give_up(self, step: int, why: str) -> None:
        """Write as the last line that the run failed, and why."""
        self.write("failed", step, {"why": why})

    def _keep(self, line: str, row: Mapping[str, Any]) -> None:
        self.lines.append(line)
        self.failed = row["kind"] == "failed"
        if row["kind"] == "dev":
            self._dev_results.append(row["accuracy@k"])

    def should_stop_early(self, patience: int) -> bool:
        """Return whether the last `patience` evaluations bettered no dev accuracy@k; never for 0."""
        results = self._dev_results
        return 0 < patience < len(results) - results.index(max(results)) if results else False


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ParleyError(
            "training.tensorboard is true, but the package tensorboard is not installed; install it "
            "(`uv sync --extra tensorboard`) or set training.tensorboard to false."
        ) from error
    # Events after the step that a run goes on from were written before it was interrupted.
    return SummaryWriter(str(folder), purge_step=step + 1)
