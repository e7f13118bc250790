"""Summarise evaluations over seeds: one row per run, split and metric.

Every mean has its number of seeds, and failed seeds are counted and shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import log
from pathlib import Path
from typing import Any, NamedTuple

from parley.core.errors import Findings, ParleyError
from parley.core.files import read_json, write_csv, write_json
from parley.metrics.records import finite
from parley.metrics.statistics import CONFIDENCE, t_interval

PARTS = ("test", "ood_alone", "ood", "transfer_alone", "transfer", "dev", "train")
"""Order in which splits are reported: held-out ones first. Others follow alphabetically."""
UNITS = {
    "accuracy@1": "fraction",
    "accuracy@k": "fraction",
    "nll": "nats",
    "length": "exchanges",
    "length_original": "go-on bits",
}
"""The metrics that are summarised, and the unit of each."""
EVALUATION_UNITS = {**UNITS, "hamming_sender": "bits", "hamming_receiver": "bits"}
"""All metrics of an evaluation.json, and the unit of each."""
RAISED = {"accuracy@1": True, "accuracy@k": True, "nll": False}
"""Metrics that have a chance value, and whether more is better."""


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One metric of one run on one split, over seeds.

    Attributes
    ----------
    run, part, metric, unit
        What the row is about: run, split, metric and unit.
    k, candidates, images
        The k of accuracy@k (at most the candidates); number of candidate classes and of images.
    mean, sd, low, high
        Over the seeds that gave a finite number: mean, sample standard deviation, 95 % t interval. None
        if there are too few seeds (one seed has no sd).
    n_seeds, seeds_failed
        Seeds that gave a finite number, and seeds that were expected and did not.
    chance
        Value of a random guess: k / candidates; for the NLL, ln(candidates).
    beats_chance
        Whether the whole interval lies on the better side of chance; None if there is no interval or
        no chance.
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
        All (run, seed) pairs of the config, in its order. A pair without an evaluation counts as failed
        on every split; one whose evaluation lacks a split or metric, or has no finite number there,
        counts as failed in that row.

    Returns
    -------
    list[SummaryRow]
        Runs in the order of `expected`, splits in the order of `PARTS`, metrics in the order of `UNITS`.

    Raises
    ------
    ParleyError
        If an evaluation is not expected or given twice, or seeds of a run were evaluated on different
        images or candidates, so that their numbers cannot be averaged.
    """
    by_owner = _by_owner(evaluations, expected)
    runs = list(dict.fromkeys(run for run, _ in expected))
    parts = in_order(part for evaluation in evaluations for part in evaluation["parts"])
    rows, findings = [], Findings()
    for run in runs:
        seeds = [seed for owner, seed in expected if owner == run]
        own = [by_owner[run, seed]["parts"] for seed in seeds if (run, seed) in by_owner]
        # A run without successful seeds is shown for all splits that other runs have.
        for part in [part for part in parts if not own or any(part in entry for entry in own)]:
            entries = [entry[part] for entry in own if part in entry]
            rows += _rows(run, part, entries, len(seeds), findings)
    findings.raise_if_any()
    return rows


def failed_seeds(evaluations: Sequence[dict[str, Any]], expected: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the (run, seed) pairs that have no evaluation, or one with a missing or non-finite number."""
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
    """Write summary.csv and summary.json; an unknown value is an empty cell in one and null in the other.

    Parameters
    ----------
    rows, failed
        From `summarise` and `failed_seeds`.
    csv_path, json_path
        The files.
    reasons
        Reasons of failure, for seeds for which they are known.
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
    """Run and seed."""
    reasons: dict[tuple[str, int], str]
    """Reasons of failure, for seeds for which they are known."""


def read_summary(json_path: str | Path) -> Summary:
    """Read a summary.json."""
    value = read_json(json_path)
    try:
        whys = {(one["run"], one["seed"]): one.get("why") for one in value["failed"]}
        known = {owner: why for owner, why in whys.items() if why}
        return Summary([SummaryRow(**row) for row in value["rows"]], list(whys), known)
    except (KeyError, TypeError) as error:
        raise ParleyError(f"{json_path} is not a summary of this version; run the metrics stage again.") from error


def _by_owner(
    evaluations: Sequence[dict[str, Any]], expected: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], dict[str, Any]]:
    by_owner: dict[tuple[str, int], dict[str, Any]] = {}
    findings = Findings()
    for evaluation in evaluations:
        owner = (evaluation["run"], evaluation["seed"])
        if owner in by_owner:
            findings.add(f"Run {owner[0]}, seed {owner[1]} has two evaluations; give one.")
        if owner not in expected:
            findings.add(f"Run {owner[0]}, seed {owner[1]} is not in the config; remove its folder or add it.")
        by_owner[owner] = evaluation
    findings.raise_if_any()
    return by_owner


def in_order(parts: Iterable[str]) -> list[str]:
    """Return the distinct names of splits, in the order in which they are reported."""
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
                run=run,
                part=part,
                metric=metric,
                unit=unit,
                k=k if metric == "accuracy@k" else None,
                candidates=candidates,
                images=images,
                mean=over.mean,
                sd=over.sd,
                low=over.low,
                high=over.high,
                n_seeds=over.n,
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
            f"({', '.join(map(str, values))}); evaluate them again."
        )
    return values[0] if values else None


def _beats(metric: str, low: float | None, high: float | None, chance: float | None) -> bool | None:
    if low is None or high is None or chance is None:
        return None
    return low > chance if RAISED[metric] else high < chance
