"""Interventions summarised over the seeds of each run, as a tidy table."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.analysis.summary import in_order
from parley.core.files import read_json, write_csv
from parley.metrics.influence import UNITS
from parley.metrics.statistics import over_seeds

COLUMNS = (
    "run", "part", "intervention", "value", "metric", "unit", "mean", "sd", "low", "high", "n_seeds", "seeds_failed",
)  # fmt: skip
"""Of the table; an unknown value is an empty cell."""

Measures = Mapping[tuple[str, int | None], Mapping[str, float | None]]
"""Metrics of one seed and split, by intervention and its value."""


def summarise_interventions(
    paths: Sequence[str | Path], expected: Mapping[str, int], out: str | Path
) -> list[dict[str, Any]]:
    """Summarise the seeds of each run: one row per run, split, intervention and metric.

    Parameters
    ----------
    paths
        `interventions.json` files.
    expected
        Number of seeds of each run; those without a file or a value count as failed.
    out
        The table to write; its rows are returned too.
    """
    found = [read_json(path) for path in paths]
    rows: list[dict[str, Any]] = []
    for run, seeds in expected.items():
        own = [one["parts"] for one in found if one["run"] == run]
        for part in in_order(part for parts in own for part in parts):
            rows += _rows(run, part, [_measures(parts[part]) for parts in own if part in parts], seeds)
    write_csv(out, COLUMNS, rows)
    return rows


def _measures(part: Mapping[str, Any]) -> Measures:
    return {(row["intervention"], row["value"]): row["measures"] for row in part["rows"]}


def _rows(run: str, part: str, of_seeds: Sequence[Measures], seeds: int) -> Iterator[dict[str, Any]]:
    for done in of_seeds[0]:
        for metric in of_seeds[0][done]:
            yield {
                "run": run,
                "part": part,
                "intervention": done[0],
                "value": done[1],
                "metric": metric,
                "unit": UNITS[metric],
                **over_seeds([measures[done][metric] for measures in of_seeds], seeds),
            }
