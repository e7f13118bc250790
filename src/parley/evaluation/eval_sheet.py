"""Write eval.csv, the table that `eval_only` of the 2017 code wrote."""

import csv
import io
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from parley.core.errors import ParleyError
from parley.core.files import read_json
from parley.game.settings import TrainingSettings
from parley.training.checkpoint_selection import read_log

logger = logging.getLogger(__name__)


class Row(NamedTuple):
    """One checkpoint on one file. Fields have the names and the order of the 2017 code's columns."""

    checkpoint: str
    eval_file: str
    topk: int
    step: int
    best_dev_acc: float | None
    """Best dev accuracy@k of the run up to this step; None if there is no log."""
    eval_acc: float
    """accuracy@k."""
    convlen_mean: float
    """Mean number of go-on bits in a dialogue."""
    convlen_std: float
    """Standard deviation of the number of go-on bits, divided by N, not N - 1."""


def sheet(rows: Iterable[Row]) -> str:
    """Return the CSV text with its header; paths with a comma are quoted, unknown values are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)
    return text.getvalue()


def best_dev_accuracy(folder: str | Path, step: int, training: TrainingSettings) -> float | None:
    """Return the best dev accuracy@k of a run up to a step, from `metrics.jsonl` or else `selection.json`.

    As in the 2017 code, only steps with a saved checkpoint count.

    Parameters
    ----------
    folder
        The run's folder.
    step
        The checkpoint's step.
    training
        Training settings of the run.
    """
    first = min(training.first_checkpoint, training.steps)
    results = [
        float(row["accuracy@k"])
        for row in _dev_rows(Path(folder))
        if isinstance(row.get("step"), int)
        and isinstance(row.get("accuracy@k"), int | float)
        and first <= row["step"] <= step
    ]
    return max(results, default=None)


def _dev_rows(folder: Path) -> list[dict[str, Any]]:
    log, selection = folder / "metrics.jsonl", folder / "selection.json"
    try:
        if log.is_file():
            return [row for row in read_log(log) if isinstance(row, dict) and row.get("kind") == "dev"]
        if selection.is_file():
            found = read_json(selection)
            rows = found.get("candidates", []) if isinstance(found, dict) else []
            return [row for row in rows if isinstance(row, dict)]
    except (ParleyError, OSError, UnicodeDecodeError) as error:
        logger.warning("best_dev_acc stays empty in eval.csv: %s", error)
    return []
