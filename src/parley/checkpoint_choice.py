"""Choosing the checkpoint of a run by its dev results alone."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parley.errors import ParleyError
from parley.files import copy_file, write_json

logger = logging.getLogger(__name__)

RULES = {"accuracy@1": max, "accuracy@k": max, "nll": min}
"""What decides, and whether more or less of it is better."""


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """Read `metrics.jsonl`; a broken line raises `ParleyError` with its number."""
    rows = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ParleyError(f"{path}, line {number} is not JSON; run `snakemake train` to make it again.") from error
    return rows


def choose(rows: Sequence[dict[str, Any]], checkpoints: Sequence[str | Path], rule: str) -> dict[str, Any]:
    """Choose a checkpoint.

    Parameters
    ----------
    rows
        The training log; its ``dev`` lines count.
    checkpoints
        Files named by step.
    rule
        One of `RULES`. Of equals the earliest is taken.

    Returns
    -------
    dict
        ``rule``, ``chosen`` and all ``candidates``, each with step, dev results and file name.
    """
    files = {int(Path(path).stem): Path(path).name for path in checkpoints}
    candidates = [
        {
            "step": row["step"],
            **{name: row[name] for name in ("accuracy@1", "accuracy@k", "nll", "length")},
            "checkpoint": files[row["step"]],
        }
        for row in rows
        if row["kind"] == "dev" and row["step"] in files
    ]
    if not candidates:
        raise ParleyError("No checkpoint has a dev result; lower training.first_checkpoint or train more steps.")
    # max and min return the first of equals, and the log is in the order of steps.
    chosen = RULES[rule](candidates, key=lambda candidate: candidate[rule])
    return {"rule": rule, "chosen": chosen, "candidates": candidates}


def select(folder: str | Path, rule: str) -> None:
    """Choose a run's checkpoint, copy it to `best.pt` and record the choice in `selection.json`."""
    folder = Path(folder)
    checkpoints = sorted((folder / "checkpoints").glob("*.pt"))
    selection = choose(read_log(folder / "metrics.jsonl"), checkpoints, rule)
    copy_file(folder / "checkpoints" / selection["chosen"]["checkpoint"], folder / "best.pt")
    write_json(folder / "selection.json", selection)
    logger.info(
        "Chose step %d of %d candidates by dev %s.", selection["chosen"]["step"], len(selection["candidates"]), rule
    )
