"""Compare the runs of an experiment over their shared seeds, with Holm's correction for multiple comparisons."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from parley.analysis.evaluations import evaluations_of
from parley.analysis.summary import UNITS, in_order
from parley.config.saved_configs import command_for
from parley.core import markdown
from parley.core.errors import ParleyError
from parley.core.formats import change, counted, fraction, listed
from parley.core.tables import write_csv
from parley.metrics.records import finite_by_seed
from parley.metrics.registry import EVALUATION_UNITS
from parley.metrics.statistics import Comparison, holm, paired_comparison

COLUMNS = (
    "part", "metric", "unit", "first", "second", "mean_first", "mean_second", "n_seeds", "seeds_left_out",
    "difference", "low", "high", "d_z", "t_p", "t_p_holm", "sign_flip_p",
)  # fmt: skip
"""Columns of `comparisons.csv`. Cells of unknown values are empty."""

METRICS = ("accuracy@1", "accuracy@k", "nll", "length", "length_original")
"""Metrics that `parley compare` shows by default."""
EXTENT = {"n": "image", "candidates": "candidate"}
"""Counts in an evaluation.json in which compared runs should agree, and their nouns."""
NOTE = (
    "Differences from the first run over the n seeds that both runs have, with 95 % t intervals; d is the mean "
    "difference divided by the standard deviation of the differences. \\* p < 0.05 by the paired t-test, "
    "after Holm's correction over the runs of this table, separately for each metric."
)
"""Explanation that `parley compare` prints below its table."""

Evaluations = Mapping[int, Mapping[str, Any]]
"""Metrics of one run, by seed and then by split."""
Runs = dict[str, dict[int, Mapping[str, Any]]]
"""Metrics of several runs, by run, then by seed, then by split."""


def compare_runs(evaluations: Sequence[Mapping[str, Any]], runs: Sequence[str], seeds: int) -> list[dict[str, Any]]:
    """Compare all pairs of runs on every split and metric.

    Parameters
    ----------
    evaluations
        Contents of evaluation.json files.
    runs
        Names of the runs in the order of the config. The earlier run is the first of a pair.
    seeds
        Number of seeds of each run.

    Returns
    -------
    list[dict[str, Any]]
        One row per split, metric and pair of runs, with the columns `COLUMNS`. Only seeds for which both runs have a
        finite value are compared; ``seeds_left_out`` is the number of other seeds. ``t_p_holm`` is ``t_p`` corrected
        over all pairs of runs on the same split and metric.
    """
    by_run: dict[str, dict[int, Mapping[str, Any]]] = {run: {} for run in runs}
    for one in evaluations:
        by_run[one["run"]][one["seed"]] = one["parts"]
    rows: list[dict[str, Any]] = []
    for part in in_order(part for one in evaluations for part in one["parts"]):
        for metric in UNITS:
            rows += _rows(by_run, part, metric, seeds)
    return rows


def _rows(by_run: Mapping[str, Evaluations], part: str, metric: str, seeds: int) -> list[dict[str, Any]]:
    rows = []
    for first, second in combinations(by_run, 2):
        compared, *values = _compared(by_run[first], by_run[second], part, metric)
        rows.append(
            {
                "part": part,
                "metric": metric,
                "unit": UNITS[metric],
                "first": first,
                "second": second,
                "mean_first": float(np.mean(values[0])) if compared.n else None,
                "mean_second": float(np.mean(values[1])) if compared.n else None,
                "n_seeds": compared.n,
                "seeds_left_out": seeds - compared.n,
                **compared._asdict(),
            }
        )
    corrected = _holm_where_known([row["t_p"] for row in rows])
    return [{**row, "t_p_holm": p} for row, p in zip(rows, corrected, strict=True)]


def _compared(
    one: Evaluations, other: Evaluations, part: str, metric: str
) -> tuple[Comparison, list[float], list[float]]:
    """Compare two runs over the seeds for which both have a finite value. Return the comparison and these values."""
    first, second = finite_by_seed(one, part, metric), finite_by_seed(other, part, metric)
    shared = sorted(first.keys() & second.keys())
    pairs = [first[seed] for seed in shared], [second[seed] for seed in shared]
    # With more than 16 seeds, the sign-flip test draws flips at random; a fixed seed makes its p-value reproducible.
    return paired_comparison(*pairs, generator=np.random.default_rng(0)), *pairs


def _holm_where_known(ps: Sequence[float | None]) -> list[float | None]:
    """Apply Holm's correction to the p-values that are not None."""
    corrected = iter(holm([p for p in ps if p is not None]))
    return [None if p is None else float(next(corrected)) for p in ps]


def write_comparisons(rows: Sequence[Mapping[str, Any]], out: str | Path) -> None:
    """Write the rows of `compare_runs` to `comparisons.csv`. The table of an experiment with one run has no rows."""
    write_csv(out, COLUMNS, rows)


class Change(NamedTuple):
    """The differences between a run and the base run."""

    run: str
    by_metric: dict[str, Comparison]
    """For each metric, the comparison of the two runs; a difference is the run minus the base run."""
    corrected: dict[str, float | None]
    """Paired t-test p-value of each metric, Holm-corrected over the runs of the table; None if undefined."""


def read_runs(folders: Sequence[str | Path]) -> Runs:
    """Read the evaluations of experiments. With several experiments, runs are named ``<experiment>/<run>``.

    Parameters
    ----------
    folders
        Results folders, ``results/<experiment>``, as for `evaluations_of`.

    Raises
    ------
    ParleyError
        If a folder has no evaluation, or if `evaluations_of` raises it.
    """
    found: Runs = {}
    for folder in map(Path, folders):
        evaluations = evaluations_of(folder)
        if not evaluations:
            raise ParleyError(
                f"{folder} contains no evaluation of any run in its config.yaml; run "
                f"`{command_for('evaluate', folder)}`."
            )
        for one in evaluations:
            name = one["run"] if len(folders) == 1 else f"{folder.absolute().name}/{one['run']}"
            found.setdefault(name, {})[one["seed"]] = one["parts"]
    return found


def only(runs: Runs, names: Sequence[str]) -> Runs:
    """Return the runs with the given names. Raise `ParleyError` if a name is unknown."""
    if strays := [name for name in names if name not in runs]:
        raise ParleyError(f"There is no run {', '.join(strays)}; the runs are {', '.join(runs)}.")
    return {name: runs[name] for name in names}


def changes(runs: Runs, base: str, part: str, metrics: Sequence[str] = METRICS) -> list[Change]:
    """Compare every run with the base run on one split.

    Parameters
    ----------
    runs
        Evaluations of the runs, from `read_runs`.
    base
        Name of the base run.
    part
        Name of the split.
    metrics
        Names of metrics in `evaluation.json`.

    Raises
    ------
    ParleyError
        If the base run does not exist, no run was evaluated on the split, or a metric is in none of the evaluations.
    """
    if base not in runs:
        raise ParleyError(f"There is no run {base} to compare with; the runs are {', '.join(runs)}.")
    if all(part not in parts for seeds in runs.values() for parts in seeds.values()):
        raise ParleyError(f"No run was evaluated on the split {part}; choose another split.")
    _require_metrics(metrics, runs)
    others = [run for run in runs if run != base]
    compared = {metric: [_compared(runs[run], runs[base], part, metric)[0] for run in others] for metric in metrics}
    corrected = {metric: _holm_where_known([one.t_p for one in found]) for metric, found in compared.items()}
    return [
        Change(
            run,
            {metric: compared[metric][index] for metric in metrics},
            {metric: corrected[metric][index] for metric in metrics},
        )
        for index, run in enumerate(others)
    ]


def _require_metrics(metrics: Sequence[str], runs: Runs) -> None:
    reported = {
        name for seeds in runs.values() for parts in seeds.values() for entry in parts.values() for name in entry
    }
    known = [name for name in EVALUATION_UNITS if name in reported]
    if strays := [metric for metric in metrics if metric not in known]:
        raise ParleyError(f"No evaluation has the metric {', '.join(strays)}; the metrics are {', '.join(known)}.")


def as_markdown(found: Sequence[Change], runs: Runs, base: str, part: str, metrics: Sequence[str]) -> list[str]:
    """Return a table of the base run's means and the other runs' differences, and notes, as lines of Markdown.

    The notes name the runs that were evaluated on other numbers of images, candidates or seeds than the base run, or
    with another k.
    """
    rows = [[markdown.escaped(base), *(_mean(runs[base], part, metric) for metric in metrics)]]
    rows += [
        [markdown.escaped(one.run), *(_difference(one.by_metric[metric], one.corrected[metric]) for metric in metrics)]
        for one in found
    ]
    extents = {run: _extent(runs[run], part) for run in (base, *(one.run for one in found))}
    notes = [
        markdown.escaped(f"{run} was evaluated on {extent}, {base} on {extents[base]}.")
        for run, extent in extents.items()
        if extent != extents[base]
    ]
    return [
        *markdown.table(["Run", *metrics], rows),
        *(line for note in [NOTE, *notes] if found for line in ("", note)),
    ]


def _extent(evaluations: Evaluations, part: str) -> str:
    """Return the extent of a run's evaluation, such as ``200 images, 30 candidates and 5 seeds with k = 3``."""
    entries = [parts[part] for parts in evaluations.values() if part in parts]
    # The seeds of a run have the same images, candidates and k.
    counts = [counted(one[key], noun) for one in entries[:1] for key, noun in EXTENT.items() if key in one]
    k = [f" with k = {one['k']}" for one in entries[:1] if "k" in one]
    return "".join([listed([*counts, counted(len(entries), "seed")]), *k])


def _mean(evaluations: Evaluations, part: str, metric: str) -> str:
    values = list(finite_by_seed(evaluations, part, metric).values())
    return f"{fraction(float(np.mean(values)))} (n = {len(values)})" if values else "not measured"


def _difference(one: Comparison, corrected: float | None) -> str:
    if one.difference is None:
        return "not measured"
    star = " \\*" if corrected is not None and corrected < 0.05 else ""
    between = "" if one.low is None or one.high is None else f" \\[{change(one.low)}, {change(one.high)}\\]"
    effect = "" if one.d_z is None else f", d = {one.d_z:+.1f}"
    return f"{change(one.difference)}{between} (n = {one.n}{effect}){star}"
