"""eval.csv, the sheet that the 2017 code's `eval_only` wrote."""

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
    """One checkpoint on one file; the columns, by the names and in the order of the 2017 code."""

    checkpoint: str
    eval_file: str
    topk: int
    step: int
    best_dev_acc: float | None
    """The best dev accuracy@k that the run had had by this step; None where no log tells."""
    eval_acc: float
    """accuracy@k."""
    convlen_mean: float
    """Go-on bits of a dialogue."""
    convlen_std: float
    """Their standard deviation, dividing by the number of images."""


def sheet(rows: Iterable[Row]) -> str:
    """Return the sheet with its header; a path with a comma is quoted, and what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)
    return text.getvalue()


def best_dev_accuracy(folder: str | Path, step: int, training: TrainingSettings) -> float | None:
    """Return the best dev accuracy@k of a run up to a step, by `metrics.jsonl` or else `selection.json`.

    As in the 2017 code, only steps of which a checkpoint is kept count.

    Parameters
    ----------
    folder
        The run's.
    step
        Of the checkpoint.
    training
        Settings of the run.
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
        logger.warning("The best dev accuracy stays empty: %s", error)
    return []
