"""All pairs of runs of an experiment compared over shared seeds: a tidy table with Holm's correction."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from parley.analysis.summary import EVALUATION_UNITS, UNITS, in_order
from parley.config.saved_configs import named_runs
from parley.core import markdown
from parley.core.errors import ParleyError
from parley.core.failures import failure_in
from parley.core.files import read_json, write_csv
from parley.core.formats import change, fraction
from parley.metrics.records import finite
from parley.metrics.statistics import Comparison, holm, paired_comparison

COLUMNS = (
    "part", "metric", "unit", "first", "second", "mean_first", "mean_second", "n_seeds", "seeds_left_out",
    "difference", "low", "high", "d_z", "t_p", "t_p_holm", "sign_flip_p",
)  # fmt: skip
"""Of the table; an unknown value is an empty cell."""

Evaluations = Mapping[int, Mapping[str, Any]]
"""The splits of one run's evaluations, by seed."""


def compare_runs(evaluations: Sequence[Mapping[str, Any]], runs: Sequence[str], seeds: int) -> list[dict[str, Any]]:
    """Compare all pairs of runs on every split and metric.

    Parameters
    ----------
    evaluations
        Contents of evaluation.json files.
    runs
        Names of the runs, in the order of the config, which is the order within a pair.
    seeds
        Number of seeds of each run.

    Returns
    -------
    list[dict[str, Any]]
        Rows of `COLUMNS`. Only seeds for which both runs have a finite number are compared; ``seeds_left_out`` counts
        the others. ``t_p_holm`` is corrected over the comparisons of one split and metric.
    """
    by_run: dict[str, dict[int, Mapping[str, Any]]] = {run: {} for run in runs}
    for one in evaluations:
        by_run[one["run"]][one["seed"]] = one["parts"]
    rows: list[dict[str, Any]] = []
    for part in in_order(part for one in evaluations for part in one["parts"]):
        for metric in UNITS:
            rows += _corrected(list(_rows(by_run, part, metric, seeds)))
    return rows


def _rows(by_run: Mapping[str, Evaluations], part: str, metric: str, seeds: int) -> Iterator[dict[str, Any]]:
    for first, second in combinations(by_run, 2):
        one, other = (_values(by_run[run], part, metric) for run in (first, second))
        shared = sorted(one.keys() & other.keys())
        pairs = [one[seed] for seed in shared], [other[seed] for seed in shared]
        # With more than 16 seeds the flips are drawn at random; the fixed seed draws the same ones each time.
        compared = paired_comparison(*pairs, generator=np.random.default_rng(0))
        yield {
            "part": part,
            "metric": metric,
            "unit": UNITS[metric],
            "first": first,
            "second": second,
            "mean_first": float(np.mean(pairs[0])) if shared else None,
            "mean_second": float(np.mean(pairs[1])) if shared else None,
            "n_seeds": compared.n,
            "seeds_left_out": seeds - compared.n,
            **_numbers(compared),
        }


def _values(evaluations: Evaluations, part: str, metric: str) -> dict[int, float]:
    """Return a run's value for each seed that has a finite one."""
    found = {seed: finite(parts.get(part, {}).get(metric)) for seed, parts in evaluations.items()}
    return {seed: value for seed, value in found.items() if value is not None}


def _numbers(compared: Comparison) -> dict[str, Any]:
    names = ("difference", "low", "high", "d_z", "t_p", "sign_flip_p")
    return {name: getattr(compared, name) for name in names}


def _corrected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add Holm's correction over the rows that have a p-value."""
    known = [row for row in rows if row["t_p"] is not None]
    for row, corrected in zip(known, holm([row["t_p"] for row in known]), strict=True):
        row["t_p_holm"] = float(corrected)
    return [{"t_p_holm": None, **row} for row in rows]


def write_comparisons(rows: Sequence[Mapping[str, Any]], out: str | Path) -> None:
    """Write the table; an experiment of one run has no rows."""
    write_csv(out, COLUMNS, rows)


METRICS = ("accuracy@1", "accuracy@k", "nll", "length", "length_original")
"""Compared by default."""
NOTE = (
    "Differences from the first run over the n seeds that both have, with 95 % t intervals; d is the mean difference "
    "over the standard deviation of the differences. \\* p < 0.05 by the paired t-test, after Holm's correction over "
    "the runs of this table, metric by metric."
)
"""Note below a table."""

Runs = dict[str, dict[int, Mapping[str, Any]]]
"""The splits of evaluations, by run and seed."""


class Change(NamedTuple):
    """A run compared with the base."""

    run: str
    by_metric: dict[str, Comparison]
    """Run minus base."""
    corrected: dict[str, float | None]
    """Holm-corrected p-value of the paired t-test, over the runs of the table; None if undefined."""


def read_runs(folders: Sequence[str | Path]) -> Runs:
    """Read the evaluations of experiments; with several, runs are named ``<experiment>/<run>``.

    Parameters
    ----------
    folders
        One ``results/<experiment>`` each. Failed seeds, and runs that its config.yaml does not name, are left out.

    Raises
    ------
    ParleyError
        If a folder has no config.yaml, or no evaluation of a run that it names.
    """
    found: Runs = {}
    for folder in map(Path, folders):
        paths = [folder / "runs" / run / str(seed) / "evaluation.json" for run, seed in named_runs(folder)]
        paths = [path for path in paths if path.is_file()]
        if not paths:
            raise ParleyError(
                f"{folder} holds no evaluation of a run that its config.yaml names; `snakemake evaluate` makes them."
            )
        for path in paths:
            if failure_in(path) is not None:
                continue
            one = read_json(path)
            name = one["run"] if len(folders) == 1 else f"{folder.absolute().name}/{one['run']}"
            found.setdefault(name, {})[one["seed"]] = one["parts"]
    return found


def only(runs: Runs, names: Sequence[str]) -> Runs:
    """Return the runs of the given names; an unknown name raises `ParleyError`."""
    if strays := [name for name in names if name not in runs]:
        raise ParleyError(f"There is no run {', '.join(strays)}; there are {', '.join(runs)}.")
    return {name: runs[name] for name in names}


def changes(runs: Runs, base: str, part: str, metrics: Sequence[str] = METRICS) -> list[Change]:
    """Compare every run with the base.

    Parameters
    ----------
    runs
        From `read_runs`.
    base
        Name of the run that the others are compared with.
    part
        Name of the split.
    metrics
        Of `evaluation.json`.

    Raises
    ------
    ParleyError
        If there is no such run, no run was evaluated on the split, or no evaluation has a metric.
    """
    if base not in runs:
        raise ParleyError(f"There is no run {base} to compare with; there are {', '.join(runs)}.")
    if all(part not in parts for seeds in runs.values() for parts in seeds.values()):
        raise ParleyError(f"No run was evaluated on the part {part}; name another.")
    _refuse_unknown(metrics, runs)
    others = [run for run in runs if run != base]
    compared = {metric: [_compared(runs[run], runs[base], part, metric) for run in others] for metric in metrics}
    corrected = {metric: _holm_where_known([one.t_p for one in found]) for metric, found in compared.items()}
    return [
        Change(
            run,
            {metric: compared[metric][row] for metric in metrics},
            {metric: corrected[metric][row] for metric in metrics},
        )
        for row, run in enumerate(others)
    ]


def _refuse_unknown(metrics: Sequence[str], runs: Runs) -> None:
    reported = {
        name for seeds in runs.values() for parts in seeds.values() for entry in parts.values() for name in entry
    }
    known = [name for name in EVALUATION_UNITS if name in reported]
    if strays := [metric for metric in metrics if metric not in known]:
        raise ParleyError(f"No evaluation has the metric {', '.join(strays)}; there are {', '.join(known)}.")


def _compared(
    run: Mapping[int, Mapping[str, Any]], base: Mapping[int, Mapping[str, Any]], part: str, metric: str
) -> Comparison:
    one, other = (
        {seed: value for seed, parts in of.items() if (value := finite(parts.get(part, {}).get(metric))) is not None}
        for of in (run, base)
    )
    shared = sorted(one.keys() & other.keys())
    # With more than 16 seeds the flips are drawn at random; the fixed seed draws the same ones each time.
    return paired_comparison([one[s] for s in shared], [other[s] for s in shared], np.random.default_rng(0))


def _holm_where_known(ps: Sequence[float | None]) -> list[float | None]:
    known = [p for p in ps if p is not None]
    corrected = iter(holm(known))
    return [None if p is None else float(next(corrected)) for p in ps]


def as_markdown(found: Sequence[Change], runs: Runs, base: str, part: str) -> list[str]:
    """Return the lines of a Markdown table, the base's means and each run's differences, and of its note."""
    metrics = list(found[0].by_metric) if found else list(METRICS)
    rows = [[markdown.escaped(base), *(_mean(runs[base], part, metric) for metric in metrics)]]
    rows += [
        [markdown.escaped(one.run), *(_difference(one.by_metric[metric], one.corrected[metric]) for metric in metrics)]
        for one in found
    ]
    return [*markdown.table(["Run", *metrics], rows), "", NOTE]


def _mean(seeds: Mapping[int, Mapping[str, Any]], part: str, metric: str) -> str:
    values = [value for parts in seeds.values() if (value := finite(parts.get(part, {}).get(metric))) is not None]
    return f"{fraction(float(np.mean(values)))} (n = {len(values)})" if values else "not measured"


def _difference(one: Comparison, corrected: float | None) -> str:
    if one.difference is None:
        return "not measured"
    star = " \\*" if corrected is not None and corrected < 0.05 else ""
    between = "" if one.low is None or one.high is None else f" \\[{change(one.low)}, {change(one.high)}\\]"
    effect = "" if one.d_z is None else f", d = {one.d_z:+.1f}"
    return f"{change(one.difference)}{between} (n = {one.n}{effect}){star}"
