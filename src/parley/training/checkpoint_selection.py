"""Select one of a run's checkpoints by the results on the dev split."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.failures import FailedRunError, write_marker
from parley.core.files import copy_file, read_lines, write_json

logger = logging.getLogger(__name__)

RESULTS = ("accuracy@1", "accuracy@k", "nll", "length")
"""Names of the dev results that are copied from the training log to each `Candidate`."""
Candidate = Mapping[str, Any]
"""A checkpoint that can be selected: its step, dev results, number of dev images and file name."""
Rule = Callable[[Sequence[Candidate]], tuple[Candidate, float | None]]
"""A selection rule. It takes the candidates ordered by step, and returns the chosen candidate and the threshold that
the candidate had to reach, or None if the rule has no threshold."""


def _best(candidates: Sequence[Candidate], metric: str, pick: Callable[..., Candidate]) -> tuple[Candidate, None]:
    """Choose the checkpoint with the best value of a metric; `pick` is `max` or `min`."""
    # For equal values, max and min return the first one, which has the earliest step.
    return pick(candidates, key=lambda candidate: candidate[metric]), None


def _earliest_within_1se(candidates: Sequence[Candidate]) -> tuple[Candidate, float]:
    """Choose the earliest checkpoint whose accuracy@k is within one standard error of the best (Breiman et al. 1984).

    The best accuracy p is a proportion of n dev images, so its standard error is sqrt(p (1 - p) / n).
    """
    best, _ = _best(candidates, "accuracy@k", max)
    share, images = best["accuracy@k"], best["n"]
    if not images:
        raise ParleyError(
            f"The dev line of step {best['step']} in metrics.jsonl lacks `n`, the number of dev images, which "
            "selection.rule earliest_within_1se needs; train the run again, or choose another rule."
        )
    threshold = share - sqrt(share * (1 - share) / images)
    # The tolerance ensures that an accuracy equal to the threshold passes in spite of rounding errors.
    reached = (candidate for candidate in candidates if candidate["accuracy@k"] >= threshold - 1e-9)
    return next(reached), threshold


RULES: dict[str, Rule] = {
    "accuracy@1": partial(_best, metric="accuracy@1", pick=max),
    "accuracy@k": partial(_best, metric="accuracy@k", pick=max),
    "nll": partial(_best, metric="nll", pick=min),
    "earliest_within_1se": _earliest_within_1se,
}
"""Selection rules by their names in the config key `selection.rule`."""


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """Read the lines of `metrics.jsonl`. An invalid line raises `ParleyError` with the line number."""
    rows, again = [], "run `uv run snakemake --cores all train` to make it again."
    for number, line in enumerate(read_lines(path), start=1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ParleyError(f"{path}, line {number} is not JSON; {again}") from error
        if not isinstance(row, dict) or not _is_whole(row):
            raise ParleyError(f"{path}, line {number} is not a line of a training log; {again}")
        rows.append(row)
    return rows


def _is_whole(row: dict[str, Any]) -> bool:
    """Return whether a line of the log has all values that its `kind` (train, dev or failed) requires."""
    if row.get("kind") == "dev":
        numbers = all(isinstance(row.get(name), int | float) for name in RESULTS)
        return numbers and isinstance(row.get("step"), int)
    return isinstance(row.get("kind"), str) and (row["kind"] != "failed" or isinstance(row.get("why"), str))


def choose(rows: Sequence[dict[str, Any]], checkpoints: Sequence[str | Path], rule: str) -> dict[str, Any]:
    """Choose one of a run's checkpoints.

    Parameters
    ----------
    rows
        Lines of the training log.
    checkpoints
        Paths of the checkpoint files, which are named by their step.
    rule
        A key of `RULES`. If several checkpoints are equally good, the earliest is chosen.

    Returns
    -------
    dict
        ``rule``; ``threshold``, or None if the rule has none; the ``chosen`` candidate; and the list of all
        ``candidates``, each with its step, dev results, number ``n`` of dev images and file name.

    Raises
    ------
    FailedRunError
        If the run failed, even if checkpoints were written before the failure.
    ParleyError
        If no checkpoint has a dev result.
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
        raise ParleyError("No checkpoint has a dev result in metrics.jsonl; remove the run's folder and run again.")
    chosen, threshold = RULES[rule](candidates)
    return {"rule": rule, "threshold": threshold, "chosen": chosen, "candidates": candidates}


def select(folder: str | Path, rule: str) -> None:
    """Choose a run's checkpoint, copy it to `best.pt` and record the choice in `selection.json`.

    If the run failed, write the reason to both files instead and raise `FailedRunError`.
    """
    folder = Path(folder)
    checkpoints = sorted((folder / "checkpoints").glob("*.pt"))
    try:
        selection = choose(read_log(folder / "metrics.jsonl"), checkpoints, rule)
    except FailedRunError as failure:
        # Otherwise, files of an earlier training in this folder would be mistaken for results of the failed run.
        for name in ("best.pt", "selection.json"):
            write_marker(folder / name, failure.why)
        raise
    copy_file(folder / "checkpoints" / selection["chosen"]["checkpoint"], folder / "best.pt")
    write_json(folder / "selection.json", selection)
    step, count = selection["chosen"]["step"], len(selection["candidates"])
    logger.info("Chose step %d of %d candidates by the rule %s.", step, count, rule)
