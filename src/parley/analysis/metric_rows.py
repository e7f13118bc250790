"""Metrics of each run and seed as rows of one tidy table, from its evaluation.json and language.json."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.analysis.summary import UNITS, in_order
from parley.core.failures import failure_in
from parley.core.files import read_json
from parley.metrics.records import finite
from parley.metrics.registry import UNITS as LANGUAGE_UNITS

EVALUATION_UNITS = {**UNITS, "hamming_sender": "bits", "hamming_receiver": "bits"}
"""Metrics of an evaluation.json, and the unit of each."""
METRIC_COLUMNS = ("run", "seed", "part", "metric", "value", "unit", "p", "null_mean", "null_high")

Parts = Mapping[str, Mapping[str, Any]]
"""The content of a file of one run and seed, by split."""


def metric_rows(
    folder: Path, evaluations: Sequence[Mapping[str, Any]], expected: Iterable[tuple[str, int]]
) -> list[dict[str, Any]]:
    """Return one row of `METRIC_COLUMNS` per run, seed, split and metric; unknown values are NaN.

    Parameters
    ----------
    folder
        The experiment's folder.
    evaluations
        Contents of `evaluation.json` of the seeds that have one.
    expected
        Every run and seed. A failed one has a row for each split and metric that others have.
    """
    evaluated = {(one["run"], one["seed"]): one["parts"] for one in evaluations}
    measured = {owner: _language(folder / "runs" / owner[0] / str(owner[1]) / "language.json") for owner in expected}
    units = _units(evaluated.values(), measured.values())
    rows = []
    for (run, seed), language in measured.items():
        for part, of_part in units.items():
            counted, of_language = evaluated.get((run, seed), {}).get(part, {}), language.get(part, {})
            for metric, unit in of_part.items():
                about = {"run": run, "seed": seed, "part": part, "metric": metric, "unit": unit}
                rows.append({**about, **_numbers(metric, counted, of_language)})
    return rows


def _language(path: Path) -> Parts:
    if not path.is_file() or failure_in(path) is not None:
        return {}
    return dict(read_json(path)["parts"])


def _units(evaluated: Iterable[Parts], measured: Iterable[Parts]) -> dict[str, dict[str, str]]:
    """Return the metrics of each split that any seed has, with their units."""
    of_evaluations, of_languages = ({part for parts in of for part in parts} for of in (evaluated, measured))
    own_of_language = {name: unit for name, unit in LANGUAGE_UNITS.items() if name not in EVALUATION_UNITS}
    return {
        part: {
            **(EVALUATION_UNITS if part in of_evaluations else {}),
            **(own_of_language if part in of_languages else {}),
        }
        for part in in_order(of_evaluations | of_languages)
    }


def _numbers(metric: str, counted: Mapping[str, Any], of_language: Mapping[str, Any]) -> dict[str, float]:
    """Return the values of a row; if both files have a metric, the value is the evaluation's, over all images."""
    null = of_language.get("null", {}).get(metric) or {}
    numbers = {
        "value": counted.get(metric) if metric in EVALUATION_UNITS else of_language.get("measures", {}).get(metric),
        "p": of_language.get("p", {}).get(metric),
        "null_mean": null.get("mean"),
        "null_high": null.get("high"),
    }
    # Not None: of a metric that no seed has, the column would not be of numbers.
    return {name: float("nan") if (known := finite(value)) is None else known for name, value in numbers.items()}
