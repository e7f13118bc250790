"""Choosing the checkpoint of a run by its dev results alone."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

from parley.core.errors import ParleyError
from parley.core.failures import FailedRunError, write_marker
from parley.core.files import copy_file, read_lines, write_json

logger = logging.getLogger(__name__)

RESULTS = ("accuracy@1", "accuracy@k", "nll", "length")
"""What a dev line says of a checkpoint."""
Candidate = Mapping[str, Any]
"""A checkpoint's step, dev results and file name."""


class Choice(NamedTuple):
    """What a rule decides."""

    chosen: Candidate
    threshold: float | None = None
    """What a candidate's dev result had to reach; None where the best counts."""


Rule = Callable[[Sequence[Candidate]], Choice]
"""Chooses among candidates in the order of their steps, one at least."""


def _highest(candidates: Sequence[Candidate], metric: str) -> Choice:
    # max and min return the first of equals, the earliest.
    return Choice(max(candidates, key=lambda candidate: candidate[metric]))


def _lowest(candidates: Sequence[Candidate], metric: str) -> Choice:
    return Choice(min(candidates, key=lambda candidate: candidate[metric]))


def _earliest_within_1se(candidates: Sequence[Candidate]) -> Choice:
    """Choose the earliest whose accuracy@k is within one standard error of the best (Breiman et al. 1984).

    The best is a proportion p of n dev images, so its standard error is sqrt(p (1 - p) / n).
    """
    best = _highest(candidates, "accuracy@k").chosen
    share, images = best["accuracy@k"], best["n"]
    if not images:
        raise ParleyError(
            f"The dev line of step {best['step']} in metrics.jsonl lacks n, the number of dev images, which "
            "selection.rule earliest_within_1se needs; train the run again, or take another rule."
        )
    threshold = share - sqrt(share * (1 - share) / images)
    # An accuracy that is a whole number of hits away, and exactly on the threshold, must not fall to rounding.
    reached = (candidate for candidate in candidates if candidate["accuracy@k"] >= threshold - 1e-9)
    return Choice(next(reached), threshold)


RULES: dict[str, Rule] = {
    "accuracy@1": partial(_highest, metric="accuracy@1"),
    "accuracy@k": partial(_highest, metric="accuracy@k"),
    "nll": partial(_lowest, metric="nll"),
    "earliest_within_1se": _earliest_within_1se,
}
"""By the names that `selection.rule` has for them."""


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """Read `metrics.jsonl`; a broken line raises `ParleyError` with its number."""
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ParleyError(f"{path}, line {number} is not JSON; run `snakemake train` to make it again.") from error
        if not isinstance(row, dict) or not _is_whole(row):
            raise ParleyError(f"{path}, line {number} is no line of a log; run `snakemake train` to make it again.")
        rows.append(row)
    return rows


def _is_whole(row: dict[str, Any]) -> bool:
    """Whether a line of the log has what is read of its kind."""
    if row.get("kind") == "dev":
        numbers = all(isinstance(row.get(name), int | float) for name in RESULTS)
        return numbers and isinstance(row.get("step"), int)
    return isinstance(row.get("kind"), str) and (row["kind"] != "failed" or isinstance(row.get("why"), str))


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
        ``rule``, the ``threshold`` where it has one, ``chosen`` and all ``candidates``, each with step, dev
        results, the number ``n`` of dev images and file name.

    Raises
    ------
    FailedRunError
        When the log says that the run failed, whatever checkpoints it left.
    """
    if failed := [row for row in rows if row["kind"] == "failed"]:
        raise FailedRunError(failed[0]["why"])
    files = {int(Path(path).stem): Path(path).name for path in checkpoints}
    candidates = [
        {
            "step": row["step"],
            **{name: row[name] for name in RESULTS},
            "n": row.get("n"),
            "checkpoint": files[row["step"]],
        }
        for row in rows
        if row["kind"] == "dev" and row["step"] in files
    ]
    if not candidates:
        raise ParleyError("No checkpoint has a dev result; lower training.first_checkpoint or train more steps.")
    # The log is in the order of steps, and so are its dev lines.
    chosen, threshold = RULES[rule](candidates)
    return {"rule": rule, "threshold": threshold, "chosen": chosen, "candidates": candidates}


def select(folder: str | Path, rule: str) -> None:
    """Choose a run's checkpoint, copy it to `best.pt` and record the choice in `selection.json`.

    Both become markers where the run failed, and `FailedRunError` is raised.
    """
    folder = Path(folder)
    checkpoints = sorted((folder / "checkpoints").glob("*.pt"))
    try:
        selection = choose(read_log(folder / "metrics.jsonl"), checkpoints, rule)
    except FailedRunError as failure:
        # What an earlier training left there would pass for this one's.
        for name in ("best.pt", "selection.json"):
            write_marker(folder / name, failure.why)
        raise
    copy_file(folder / "checkpoints" / selection["chosen"]["checkpoint"], folder / "best.pt")
    write_json(folder / "selection.json", selection)
    logger.info(
        "Chose step %d of %d candidates by the rule %s.",
        selection["chosen"]["step"],
        len(selection["candidates"]),
        rule,
    )
