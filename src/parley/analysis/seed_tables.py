"""Tables over seeds: exchanges.csv, interventions.csv and language.csv."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parley.analysis.summary import in_order
from parley.core.files import read_json, write_csv
from parley.metrics.influence import UNITS as INFLUENCE_UNITS
from parley.metrics.registry import UNITS as LANGUAGE_UNITS
from parley.metrics.statistics import over_seeds

EXCHANGE_COLUMNS = ("run", "part", "exchange", "metric", "unit", "over", "mean", "sd", "low", "high", "n_seeds")
"""Of the table; an unknown value is an empty cell."""
BY_EXCHANGE_UNITS = {
    "accuracy@1": "fraction",
    "prediction_entropy_bits": "bits",
    "go_on_probability": "fraction",
    "sender_entropy_bits": "bits",
    "receiver_entropy_bits": "bits",
}
"""Metrics that analysis.json has by exchange, over all images and over active dialogues."""


def tabulate_exchanges(
    analyses: Sequence[str | Path], languages: Sequence[str | Path], runs: Sequence[str], out: str | Path
) -> None:
    """Write the table.

    Parameters
    ----------
    analyses, languages
        `analysis.json` and `language.json` of all successful runs and seeds.
    runs
        Names of the runs, in the order of the config.
    out
        The table. ``over`` says whether a mean is over ``all`` images, as if no dialogue stopped, or over those
        still ``talking``; a row for which no seed has a number is left out.
    """
    found = [*map(read_json, analyses), *map(read_json, languages)]
    rows: list[dict[str, Any]] = []
    for run in runs:
        own = [one for one in found if one["run"] == run]
        for part in in_order(part for one in own for part in one["parts"]):
            rows += _exchange_rows(run, part, [one["parts"][part] for one in own if part in one["parts"]])
    write_csv(out, EXCHANGE_COLUMNS, rows)


def _exchange_rows(run: str, part: str, of_seeds: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    columns: dict[tuple[str, str, str], list[Sequence[float | None]]] = {}
    for one in of_seeds:
        for column, values in _exchange_columns(one):
            columns.setdefault(column, []).append(values)
    for (metric, unit, over), seeds in columns.items():
        for exchange, values in enumerate(zip(*seeds, strict=True), start=1):
            columns_over_seeds = over_seeds(values, len(values))
            if columns_over_seeds["n_seeds"]:
                yield {
                    "run": run,
                    "part": part,
                    "exchange": exchange,
                    "metric": metric,
                    "unit": unit,
                    "over": over,
                    **columns_over_seeds,
                }


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


INTERVENTION_COLUMNS = (
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
            rows += _intervention_rows(run, part, [_measures(parts[part]) for parts in own if part in parts], seeds)
    write_csv(out, INTERVENTION_COLUMNS, rows)
    return rows


def _measures(part: Mapping[str, Any]) -> Measures:
    return {(row["intervention"], row["value"]): row["measures"] for row in part["rows"]}


def _intervention_rows(run: str, part: str, of_seeds: Sequence[Measures], seeds: int) -> Iterator[dict[str, Any]]:
    for done in of_seeds[0]:
        for metric in of_seeds[0][done]:
            yield {
                "run": run,
                "part": part,
                "intervention": done[0],
                "value": done[1],
                "metric": metric,
                "unit": INFLUENCE_UNITS[metric],
                **over_seeds([measures[done][metric] for measures in of_seeds], seeds),
            }


LANGUAGE_COLUMNS = (
    "run", "part", "metric", "unit", "mean", "sd", "low", "high", "n_seeds", "seeds_failed", "null_mean", "null_high",
    "largest_p",
)  # fmt: skip
"""Of the table; an unknown value is an empty cell."""


def summarise_languages(
    paths: Sequence[str | Path], expected: Mapping[str, int], out: str | Path
) -> list[dict[str, Any]]:
    """Summarise the seeds of each run in a tidy table: one row per run, split and metric.

    Parameters
    ----------
    paths
        `language.json` files.
    expected
        Number of seeds of each run; those without a file or a value count as failed.
    out
        The table to write; its rows are returned too.
    """
    found = [read_json(path) for path in paths]
    rows: list[dict[str, Any]] = []
    for run, seeds in expected.items():
        own = [one for one in found if one["run"] == run]
        for part in in_order(part for one in own for part in one["parts"]):
            rows += _language_rows(run, part, [one["parts"][part] for one in own if part in one["parts"]], seeds)
    write_csv(out, LANGUAGE_COLUMNS, rows)
    return rows


def _language_rows(run: str, part: str, of_seeds: Sequence[Mapping[str, Any]], seeds: int) -> list[dict[str, Any]]:
    rows = []
    for metric, unit in LANGUAGE_UNITS.items():
        ps = [one["p"][metric] for one in of_seeds if one["p"].get(metric) is not None]
        rows.append(
            {
                "run": run,
                "part": part,
                "metric": metric,
                "unit": unit,
                **over_seeds([one["measures"][metric] for one in of_seeds], seeds),
                "null_mean": _mean_of_null(of_seeds, metric, "mean"),
                "null_high": _mean_of_null(of_seeds, metric, "high"),
                # The p-values of all seeds are at most this.
                "largest_p": max(ps, default=None),
            }
        )
    return rows


def _mean_of_null(of_seeds: Sequence[Mapping[str, Any]], metric: str, what: str) -> float | None:
    nulls = [one["null"][metric][what] for one in of_seeds if one["null"].get(metric) is not None]
    return float(np.mean(nulls)) if nulls else None
