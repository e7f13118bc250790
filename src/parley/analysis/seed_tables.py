"""Write tables of means over seeds: exchanges.csv, interventions.csv and language.csv.

In each table, runs are in the order of the config and splits in the order of `parley.analysis.summary.in_order`. Cells
of unknown values are empty.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parley.analysis.summary import in_order
from parley.core.files import read_json
from parley.core.tables import write_csv
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
"""Units of the metrics that analysis.json contains for each exchange."""

Parts = Sequence[Mapping[str, Any]]
"""Results of a run on one split: one mapping per seed."""


def tabulate_exchanges(
    analyses: Sequence[str | Path], languages: Sequence[str | Path], runs: Sequence[str], out: str | Path
) -> None:
    """Write exchanges.csv: one row per run, split, metric, set of dialogues and exchange.

    Parameters
    ----------
    analyses, languages
        Paths of the `analysis.json` and `language.json` files of all successful runs and seeds.
    runs
        Names of the runs, in the order of the table.
    out
        Path of the table. The column ``over`` is ``all`` for a mean over all images, as if no dialogue stopped, and
        ``talking`` for a mean over dialogues that have not stopped. Rows without a value of any seed are omitted.
    """
    write_csv(out, EXCHANGE_COLUMNS, _rows([*analyses, *languages], runs, lambda _, parts: _exchange_rows(parts)))


def summarise_interventions(paths: Sequence[str | Path], expected: Mapping[str, int], out: str | Path) -> None:
    """Write interventions.csv: one row per run, split, intervention and metric.

    Parameters
    ----------
    paths
        Paths of the `interventions.json` files of all successful runs and seeds.
    expected
        Number of seeds of each run. Seeds without a file or a value are counted as failed.
    out
        Path of the table.
    """
    rows = _rows(paths, expected, lambda run, parts: _intervention_rows(parts, expected[run]))
    write_csv(out, INTERVENTION_COLUMNS, rows)


def summarise_languages(paths: Sequence[str | Path], expected: Mapping[str, int], out: str | Path) -> None:
    """Write language.csv: one row per run, split and metric.

    Parameters
    ----------
    paths
        Paths of the `language.json` files of all successful runs and seeds.
    expected, out
        As for `summarise_interventions`.
    """
    units = LANGUAGE_UNITS | {name: unit for path in paths for name, unit in read_json(path).get("units", {}).items()}
    rows = _rows(paths, expected, lambda run, parts: _language_rows(parts, expected[run], units))
    write_csv(out, LANGUAGE_COLUMNS, rows)


def _rows(
    paths: Sequence[str | Path], runs: Iterable[str], rows_of: Callable[[str, Parts], Iterator[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Read the files of all runs and seeds, and return the table rows of each run and split, in order."""
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
    """Yield (metric, unit, set of dialogues) and the values by exchange, for each metric measured at each exchange."""
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


def _language_rows(of_seeds: Parts, seeds: int, units: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for metric, unit in units.items():
        nulls = [one["null"][metric] for one in of_seeds if one["null"].get(metric) is not None]
        yield {
            "metric": metric,
            "unit": unit,
            **over_seeds([one["measures"].get(metric) for one in of_seeds], seeds),
            "null_mean": float(np.mean([null["mean"] for null in nulls])) if nulls else None,
            "null_high": float(np.mean([null["high"] for null in nulls])) if nulls else None,
            # The largest p-value is reported, because it is an upper bound for all seeds.
            "largest_p": max((one["p"][metric] for one in of_seeds if one["p"].get(metric) is not None), default=None),
        }
