"""The counts of `funnel.json`: every URL tried is in exactly one of them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from parley.dataset.dedup.near_duplicates import NearDuplicateReport
from parley.dataset.dedup.outcomes import Outcomes, PartOutcome, Removal
from parley.dataset.fetch.candidate_queue import RepeatedBytes
from parley.dataset.fetch.outcomes import ErrorClass

_SUMMED = ("candidates", "tried", "ok", "duplicates", "near_copies", "kept", "spare", "wanted")


def funnel_counts(outcomes: Outcomes, repeated: Sequence[RepeatedBytes], near: NearDuplicateReport) -> dict[str, Any]:
    """Return the content of funnel.json.

    For each class and split, and in total: `tried` = `ok` + rejected, and `ok` = `kept` + `spare` + `duplicates` +
    `near_copies` (near duplicates). For each host: `tried` = `ok` + rejected.
    """
    classes: dict[str, dict[str, Any]] = {}
    parts: list[dict[str, Any]] = []
    for one in outcomes.classes:
        of_class = {part: _counts_of_part(outcome) for part, outcome in one.parts.items()}
        parts += of_class.values()
        classes[one.name] = {**of_class, "dropped": True} if one.dropped else {**of_class}
    rejected: Counter[str] = Counter()
    for counts in parts:
        rejected.update(counts["rejected"])
    totals = {measure: sum(counts[measure] for counts in parts) for measure in _SUMMED}
    return {
        **totals,
        "near_copies": near.as_json(totals["near_copies"]),
        "rejected": _by_frequency(rejected),
        "placeholders": [one._asdict() for one in repeated],
        "dropped_classes": {one.name: one.dropped for one in outcomes.classes if one.dropped},
        "classes": classes,
        "hosts": _hosts(outcomes),
        "dropped": [_as_json(removal) for removal in _duplicates(outcomes)],
    }


def _counts_of_part(outcome: PartOutcome) -> dict[str, Any]:
    duplicates, copies = outcome.count_removed(ErrorClass.DUPLICATE), outcome.count_removed(ErrorClass.NEAR_COPY)
    return {
        "candidates": outcome.candidates,
        "tried": outcome.tried,
        "ok": len(outcome.images),
        "rejected": dict(sorted(outcome.rejected.items())),
        "duplicates": duplicates,
        "near_copies": copies,
        "kept": len(outcome.kept),
        "spare": len(outcome.images) - duplicates - copies - len(outcome.kept),
        "wanted": outcome.count,
    }


def _hosts(outcomes: Outcomes) -> dict[str, Any]:
    hosts = sorted(outcomes.hosts.items(), key=lambda item: (-item[1].tried, item[0]))
    return {
        name: {"tried": host.tried, "ok": host.ok, "rejected": _by_frequency(host.rejected)} for name, host in hosts
    }


def _by_frequency(reasons: Counter[str]) -> dict[str, int]:
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _duplicates(outcomes: Outcomes) -> list[Removal]:
    parts = (part for one in outcomes.classes for part in one.parts.values())
    return [removal for part in parts for removal in part.removals if removal.reason == ErrorClass.DUPLICATE]


def _as_json(removal: Removal) -> dict[str, str]:
    image, kept = removal.image, removal.kept
    return {
        "class": image.image_class,
        "part": image.part,
        "key": image.key,
        "kept_class": kept.image_class,
        "kept_key": kept.key,
    }
