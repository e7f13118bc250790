"""All pairs of runs of an experiment compared over shared seeds: a tidy table with Holm's correction."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from parley.analysis.summary import UNITS, in_order
from parley.core.files import write_csv
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
