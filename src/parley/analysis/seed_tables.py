"""Tables over seeds: exchanges.csv, interventions.csv and language.csv.

Each has the runs in the order of the config, and the splits in the order in which they are reported. An unknown value
is an empty cell.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parley.analysis.summary import in_order
from parley.core.files import read_json, write_csv
from parley.metrics.influence import UNITS as INFLUENCE_UNITS
from parley.metrics.registry import UNITS as LANGUAGE_UNITS
from parley.metrics.statistics import over_seeds

EXCHANGE_COLUMNS = ("run", "part", "exchange", "metric", "unit", "over", "mean", "sd", "low", "high", "n_seeds")
INTERVENTION_COLUMNS = (
    "run", "part", "intervention", "value", "metric", "unit", "mean", "sd", "low", "high", "n_seeds", "seeds_failed",
)  # fmt: skip
LANGUAGE_COLUMNS = (
    "run", "part", "metric", "unit", "mean", "sd", "low", "high", "n_seeds", "seeds_failed", "null_mean", "null_high",
    "largest_p",
)  # fmt: skip
BY_EXCHANGE_UNITS = {
    "accuracy@1": "fraction",
    "prediction_entropy_bits": "bits",
    "go_on_probability": "fraction",
    "sender_entropy_bits": "bits",
    "receiver_entropy_bits": "bits",
}
"""Metrics that analysis.json has by exchange, over all images and over active dialogues."""

Parts = Sequence[Mapping[str, Any]]
"""The entries of one split in the files of the seeds of a run."""


def tabulate_exchanges(
    analyses: Sequence[str | Path], languages: Sequence[str | Path], runs: Sequence[str], out: str | Path
) -> None:
    """Write exchanges.csv.

    Parameters
    ----------
    analyses, languages
        `analysis.json` and `language.json` of all successful runs and seeds.
    runs
        Names of the runs.
    out
        The table. ``over`` says whether a mean is over ``all`` images, as if no dialogue stopped, or over those
        still ``talking``; a row for which no seed has a number is left out.
    """
    write_csv(out, EXCHANGE_COLUMNS, _rows([*analyses, *languages], runs, lambda _, parts: _exchange_rows(parts)))


def summarise_interventions(paths: Sequence[str | Path], expected: Mapping[str, int], out: str | Path) -> None:
    """Write interventions.csv: one row per run, split, intervention and metric.

    Parameters
    ----------
    paths
        `interventions.json` files.
    expected
        Number of seeds of each run; those without a file or a value count as failed.
    out
        The table.
    """
    rows = _rows(paths, expected, lambda run, parts: _intervention_rows(parts, expected[run]))
    write_csv(out, INTERVENTION_COLUMNS, rows)


def summarise_languages(paths: Sequence[str | Path], expected: Mapping[str, int], out: str | Path) -> None:
    """Write language.csv: one row per run, split and metric.

    Parameters
    ----------
    paths
        `language.json` files.
    expected, out
        As for `summarise_interventions`.
    """
    write_csv(out, LANGUAGE_COLUMNS, _rows(paths, expected, lambda run, parts: _language_rows(parts, expected[run])))


def _rows(
    paths: Sequence[str | Path], runs: Iterable[str], rows_of: Callable[[str, Parts], Iterator[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the rows of each run and split, in order, from files of runs and seeds."""
    found = [read_json(path) for path in paths]
    rows = []
    for run in runs:
        own = [one["parts"] for one in found if one["run"] == run]
        for part in in_order(part for parts in own for part in parts):
            of_seeds = [parts[part] for parts in own if part in parts]
            rows += [{"run": run, "part": part, **row} for row in rows_of(run, of_seeds)]
    return rows


def _exchange_rows(of_seeds: Parts) -> Iterator[dict[str, Any]]:
    columns: dict[tuple[str, str, str], list[Sequence[float | None]]] = {}
    for one in of_seeds:
        for column, values in _exchange_columns(one):
            columns.setdefault(column, []).append(values)
    for (metric, unit, over), seeds in columns.items():
        for exchange, values in enumerate(zip(*seeds, strict=True), start=1):
            statistics = over_seeds(values, len(values))
            if statistics["n_seeds"]:
                yield {"exchange": exchange, "metric": metric, "unit": unit, "over": over, **statistics}


def _exchange_columns(part: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], Sequence[float | None]]]:
    """Yield each metric of a split that has values by exchange."""
    table: Mapping[str, Any] = part.get("by_exchange") or {}
    if "talking" in table:
        yield ("talking", "fraction", "all"), table["talking"]
        yield ("conversations", "conversations", "talking"), [share * part["n"] for share in table["talking"]]
    for metric, unit in BY_EXCHANGE_UNITS.items():
        for over in ("all", "talking"):
            if table.get(f"{metric}_{over}") is not None:
                yield (metric.removesuffix("_bits"), unit, over), table[f"{metric}_{over}"]
    for metric, values in (part.get("exchanges") or {}).items():
        if values is not None:
            yield (metric, "bits", "talking"), values


def _intervention_rows(of_seeds: Parts, seeds: int) -> Iterator[dict[str, Any]]:
    found = [{(row["intervention"], row["value"]): row["measures"] for row in one["rows"]} for one in of_seeds]
    for (intervention, value), measures in found[0].items():
        for metric in measures:
            yield {
                "intervention": intervention,
                "value": value,
                "metric": metric,
                "unit": INFLUENCE_UNITS[metric],
                **over_seeds([one[intervention, value][metric] for one in found], seeds),
            }


def _language_rows(of_seeds: Parts, seeds: int) -> Iterator[dict[str, Any]]:
    for metric, unit in LANGUAGE_UNITS.items():
        nulls = [one["null"][metric] for one in of_seeds if one["null"].get(metric) is not None]
        yield {
            "metric": metric,
            "unit": unit,
            **over_seeds([one["measures"][metric] for one in of_seeds], seeds),
            "null_mean": float(np.mean([null["mean"] for null in nulls])) if nulls else None,
            "null_high": float(np.mean([null["high"] for null in nulls])) if nulls else None,
            # The p-values of all seeds are at most this.
            "largest_p": max((one["p"][metric] for one in of_seeds if one["p"].get(metric) is not None), default=None),
        }
