"""Metrics by exchange over seeds, as one tidy table: exchanges.csv."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.analysis.summary import in_order
from parley.core.files import read_json, write_csv
from parley.metrics.statistics import over_seeds

COLUMNS = ("run", "part", "exchange", "metric", "unit", "over", "mean", "sd", "low", "high", "n_seeds")
"""Of the table; an unknown value is an empty cell."""
UNITS = {
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
            rows += _rows(run, part, [one["parts"][part] for one in own if part in one["parts"]])
    write_csv(out, COLUMNS, rows)


def _rows(run: str, part: str, of_seeds: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    columns: dict[tuple[str, str, str], list[Sequence[float | None]]] = {}
    for one in of_seeds:
        for column, values in _columns(one):
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


def _columns(part: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], Sequence[float | None]]]:
    """Yield each metric of a split that has values by exchange."""
    table: Mapping[str, Any] = part.get("by_exchange") or {}
    if "talking" in table:
        yield ("talking", "fraction", "all"), table["talking"]
        yield ("conversations", "conversations", "talking"), [share * part["n"] for share in table["talking"]]
    for metric, unit in UNITS.items():
        for over in ("all", "talking"):
            if table.get(f"{metric}_{over}") is not None:
                yield (metric.removesuffix("_bits"), unit, over), table[f"{metric}_{over}"]
    for metric, values in (part.get("exchanges") or {}).items():
        if values is not None:
            yield (metric, "bits", "talking"), values
