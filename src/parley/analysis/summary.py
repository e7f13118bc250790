"""Summarise evaluations over seeds: one row per run, split and metric.

Each row contains a mean over seeds, the number of seeds in this mean, and the number of failed seeds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import log
from pathlib import Path
from typing import Any, NamedTuple

from parley.core.errors import Findings, ParleyError
from parley.core.files import read_json, write_json
from parley.core.tables import write_csv
from parley.metrics.records import finite
from parley.metrics.registry import EVALUATION_UNITS, OPTIONAL
from parley.metrics.statistics import CONFIDENCE, t_interval

PARTS = ("test", "ood_alone", "ood", "transfer_alone", "transfer", "dev", "train")
"""Order in which splits are reported, held-out splits first. Splits that are not listed follow alphabetically."""
UNITS = {name: unit for name, unit in EVALUATION_UNITS.items() if name not in OPTIONAL}
"""Unit of each metric that is summarised."""
RAISED = {"accuracy@1": True, "accuracy@k": True, "nll": False}
"""Whether higher values are better, for each metric that has a chance level."""


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One metric of one run on one split, summarised over seeds.

    Attributes
    ----------
    run, part, metric, unit
        Names of the run, the split and the metric, and the metric's unit.
    k, candidates, images
        The k of accuracy@k (None for other metrics), the number of candidate classes, and the number of images.
    mean, sd, low, high
        Mean, sample standard deviation and ends of the 95 % t interval, over the seeds with a finite value. The mean
        is None if there is no such seed; the others are None with fewer than two such seeds.
    n_seeds, seeds_failed
        Number of seeds with a finite value, and number of expected seeds without a finite value.
    chance
        Chance level: k / candidates for accuracy@k (k = 1 for accuracy@1), ln(candidates) for the NLL, otherwise None.
    beats_chance
        True if the whole interval is better than chance, False if not; None if there is no interval or no chance level.
    """

    run: str
    part: str
    metric: str
    unit: str
    k: int | None
    candidates: int | None
    images: int | None
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    n_seeds: int
    seeds_failed: int
    chance: float | None
    beats_chance: bool | None


COLUMNS = tuple(field.name for field in fields(SummaryRow))


def summarise(evaluations: Sequence[dict[str, Any]], expected: Sequence[tuple[str, int]]) -> list[SummaryRow]:
    """Summarise the evaluations of all seeds.

    Parameters
    ----------
    evaluations
        Contents of evaluation.json files.
    expected
        All (run, seed) pairs of the config, in its order. A pair without an evaluation is counted as failed on every
        split. A pair without a finite value of a metric on a split is counted as failed in that row.

    Returns
    -------
    list[SummaryRow]
        Rows ordered by run as in `expected`, then by split as in `PARTS`, then by metric as in `UNITS`.

    Raises
    ------
    ParleyError
        If an evaluation is not expected or is given twice, or if the seeds of a run were evaluated with different
        numbers of images or candidates, or a different k, so that their values cannot be averaged.
    """
    by_owner = _by_owner(evaluations, expected)
    runs = list(dict.fromkeys(run for run, _ in expected))
    parts = in_order(part for evaluation in evaluations for part in evaluation["parts"])
    rows, findings = [], Findings()
    for run in runs:
        seeds = [seed for owner, seed in expected if owner == run]
        own = [by_owner[run, seed]["parts"] for seed in seeds if (run, seed) in by_owner]
        # A run without successful seeds has rows for all splits of the other runs.
        for part in [part for part in parts if not own or any(part in entry for entry in own)]:
            entries = [entry[part] for entry in own if part in entry]
            rows += _rows(run, part, entries, len(seeds), findings)
    findings.raise_if_any()
    return rows


def failed_seeds(evaluations: Sequence[dict[str, Any]], expected: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the (run, seed) pairs without an evaluation, or whose evaluation has a missing or non-finite value."""
    by_owner = _by_owner(evaluations, expected)
    whole = {owner for owner, evaluation in by_owner.items() if _is_whole(evaluation)}
    return [owner for owner in expected if owner not in whole]


def write_summary(
    rows: Iterable[SummaryRow],
    failed: Sequence[tuple[str, int]],
    csv_path: str | Path,
    json_path: str | Path,
    reasons: Mapping[tuple[str, int], str] | None = None,
) -> None:
    """Write summary.csv and summary.json. Unknown values are empty cells in the former and null in the latter.

    Parameters
    ----------
    rows, failed
        Results of `summarise` and `failed_seeds`.
    csv_path, json_path
        Paths of summary.csv and summary.json.
    reasons
        Reason for each known failure, by run and seed.
    """
    known = reasons or {}
    kept = [asdict(row) for row in rows]
    write_csv(csv_path, COLUMNS, kept)
    write_json(
        json_path,
        {
            "interval": f"{CONFIDENCE:.0%} t interval of the mean over seeds",
            "failed": [{"run": run, "seed": seed, "why": known.get((run, seed))} for run, seed in failed],
            "rows": kept,
        },
    )


class Summary(NamedTuple):
    """The content of a summary.json."""

    rows: list[SummaryRow]
    failed: list[tuple[str, int]]
    """Run and seed of each failure."""
    reasons: dict[tuple[str, int], str]
    """Reason for each known failure, by run and seed."""


def read_summary(json_path: str | Path) -> Summary:
    """Read a summary.json."""
    value = read_json(json_path)
    try:
        whys = {(one["run"], one["seed"]): one.get("why") for one in value["failed"]}
        known = {owner: why for owner, why in whys.items() if why}
        return Summary([SummaryRow(**row) for row in value["rows"]], list(whys), known)
    except (KeyError, TypeError) as error:
        raise ParleyError(
            f"{json_path} was not written by this version of Parley; run "
            "`uv run snakemake --cores 1 --forcerun summarise`."
        ) from error


def _by_owner(
    evaluations: Sequence[dict[str, Any]], expected: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], dict[str, Any]]:
    by_owner: dict[tuple[str, int], dict[str, Any]] = {}
    findings = Findings()
    for evaluation in evaluations:
        owner = (evaluation["run"], evaluation["seed"])
        if owner in by_owner:
            findings.add(f"Run {owner[0]}, seed {owner[1]} has two files evaluation.json; give only one of them.")
        if owner not in expected:
            findings.add(
                f"Run {owner[0]}, seed {owner[1]} is not in the config; add it there or remove its folder of results."
            )
        by_owner[owner] = evaluation
    findings.raise_if_any()
    return by_owner


def in_order(parts: Iterable[str]) -> list[str]:
    """Return the distinct names of splits in the order in which they are reported: `PARTS`, then alphabetically."""
    found = set(parts)
    return [part for part in PARTS if part in found] + sorted(found.difference(PARTS))


def _is_whole(evaluation: dict[str, Any]) -> bool:
    return all(finite(entry.get(metric)) is not None for entry in evaluation["parts"].values() for metric in UNITS)


def _rows(run: str, part: str, entries: list[dict[str, Any]], seeds: int, findings: Findings) -> list[SummaryRow]:
    candidates, images, k = (_agreed(run, part, entries, name, findings) for name in ("candidates", "n", "k"))
    chances = {
        "accuracy@1": 1 / candidates if candidates else None,
        "accuracy@k": min(k, candidates) / candidates if k and candidates else None,
        "nll": log(candidates) if candidates else None,
    }
    rows = []
    for metric, unit in UNITS.items():
        values = [value for value in (finite(entry.get(metric)) for entry in entries) if value is not None]
        over = t_interval(values)
        chance = chances.get(metric)
        rows.append(
            SummaryRow(
                run,
                part,
                metric,
                unit,
                k if metric == "accuracy@k" else None,
                candidates,
                images,
                *over,
                seeds_failed=seeds - over.n,
                chance=chance,
                beats_chance=_beats(metric, over.low, over.high, chance),
            )
        )
    return rows


def _agreed(run: str, part: str, entries: list[dict[str, Any]], name: str, findings: Findings) -> int | None:
    values = sorted({entry[name] for entry in entries if entry.get(name) is not None})
    if len(values) > 1:
        findings.add(
            f"The seeds of run {run} were evaluated on {part} with different {name} "
            f"({', '.join(map(str, values))}); run `uv run snakemake --cores 1 --forcerun evaluate_run`."
        )
    return values[0] if values else None


def _beats(metric: str, low: float | None, high: float | None, chance: float | None) -> bool | None:
    if low is None or high is None or chance is None:
        return None
    return low > chance if RAISED[metric] else high < chance
