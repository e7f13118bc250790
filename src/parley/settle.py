"""The realised splits: all classes together, equal bytes taken out, parts filled from their margins."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from parley.classes import ImageClass, in_label_order
from parley.errors import Findings, ParleyError
from parley.fetch.outcomes import ErrorClass
from parley.files import write_json, write_table
from parley.splits import PARTS, Counts, plan_by_class, walk_target
from parley.tables import stream_table

logger = logging.getLogger(__name__)
COLUMNS = ("class", "key", "part", "sha256")
ON_SHORTAGE = ("fail", "accept")
_REASONS_TOLD = 3


class Settled(NamedTuple):
    """One row of the realised splits."""

    image_class: str
    key: str
    part: str
    sha256: str


@dataclass
class PartOutcome:
    """What became of one part of one class.

    Attributes
    ----------
    candidates
        Length of the reserve in the plan.
    keys
        The URLs tried, by rank: key, and the bytes' SHA-256, empty where there is no image.
    errors
        Failed URLs and dropped duplicates by reason.
    kept
        Keys and SHA-256 of the images of the part, by rank.
    """

    candidates: int
    count: int
    tried: list[tuple[str, str]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    kept: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> int:
        """Images among the URLs tried."""
        return sum(1 for _, sha256 in self.tried if sha256)

    def funnel(self) -> dict[str, Any]:
        """Return the counts: `tried` = `ok` + errors; `ok` = `kept` + `spare` + duplicates."""
        duplicates = self.errors[ErrorClass.DUPLICATE]
        failed = {error: number for error, number in sorted(self.errors.items()) if error != ErrorClass.DUPLICATE}
        return {
            "candidates": self.candidates,
            "tried": len(self.tried),
            "ok": self.ok,
            "rejected": failed,
            "duplicates": duplicates,
            "kept": len(self.kept),
            "spare": self.ok - duplicates - len(self.kept),
            "wanted": self.count,
        }


Outcomes = dict[str, dict[str, PartOutcome]]
"""By class, in label order, and by part."""


def settle(
    plan: str | Path,
    manifests: Mapping[str, str | Path],
    classes: Sequence[ImageClass],
    counts: Counts,
    margin: float,
    destination: str | Path,
    report: str | Path,
    on_shortage: str = "fail",
) -> dict[str, Any]:
    """Write the realised splits as a TSV (class, key, part, sha256), and what was dropped as JSON.

    Where several URLs have the same bytes, in whatever classes and parts, the one with the lowest
    key keeps them. What a part loses comes from its own margin, by rank.

    Parameters
    ----------
    plan
        The table of `parley.splits`.
    manifests
        The manifest of each class, by its name.
    classes
        The class set.
    counts
        Images a part, by domain.
    margin
        The fraction that was fetched beyond each count.
    destination
        Where to write the splits, in the order used: classes by label id, then parts, then rank.
    report
        Where to write the counts; the value returned is the same.
    on_shortage
        `fail`, or `accept`: a part with fewer images than its count is then told and kept,
        unless it has none at all.

    Raises
    ------
    ParleyError
        When manifests are not those of this plan, or parts are left short: all findings at once.
    """
    if on_shortage not in ON_SHORTAGE:
        raise ParleyError(f"on_shortage is {on_shortage!r}; it must be one of {', '.join(ON_SHORTAGE)}.")
    outcomes = _read_outcomes(plan, manifests, classes, counts)
    _refuse_other_walks(outcomes, margin)
    duplicates = _drop_duplicates(outcomes)
    summary = _summary(outcomes, duplicates)
    write_json(report, summary)
    _tell_shortage(outcomes, margin, accepting=on_shortage == "accept")
    write_table(destination, COLUMNS, _rows(outcomes))
    logger.info("%d images in %d classes; %d duplicates dropped", summary["kept"], len(outcomes), len(duplicates))
    return summary


def _read_outcomes(
    plan: str | Path, manifests: Mapping[str, str | Path], classes: Sequence[ImageClass], counts: Counts
) -> Outcomes:
    """Put the manifests' rows into the parts that the plan gives them."""
    planned = {}
    domains = {image_class.name: image_class.domain for image_class in classes}
    findings = Findings()
    for name, reserves in plan_by_class(plan, domains):
        wanted = counts[domains[name]]
        outcomes = {part: PartOutcome(len(reserve), wanted.get(part, 0)) for part, reserve in reserves.items()}
        findings.extend(_read_manifest(name, manifests[name], reserves, outcomes))
        planned[name] = outcomes
    for name in domains.keys() - planned.keys():
        findings.add(f"{plan} lacks the class {name!r}; run `snakemake --forcerun split`.")
    findings.raise_if_any()
    return {image_class.name: planned[image_class.name] for image_class in in_label_order(classes)}


def _read_manifest(
    name: str, manifest: str | Path, reserves: Mapping[str, Sequence[str]], outcomes: Mapping[str, PartOutcome]
) -> list[str]:
    """Add a manifest's rows to the outcomes; return what does not fit the plan."""
    part_of = {key: part for part, reserve in reserves.items() for key in reserve}
    for key, status, error, sha256 in stream_table(manifest, ["key", "status", "error_class", "sha256"]):
        part = part_of.get(key)
        if part is None:
            return [_disagreement(name, f"{manifest} has the key {key}, which the plan lacks")]
        outcome = outcomes[part]
        if [key] != reserves[part][len(outcome.tried) : len(outcome.tried) + 1]:
            return [_disagreement(name, f"{manifest} does not have the keys of part {part} in the plan's order")]
        outcome.tried.append((key, sha256 if status == "ok" else ""))
        if status != "ok":
            outcome.errors[error] += 1
    return []


def _refuse_other_walks(outcomes: Outcomes, margin: float) -> None:
    """Refuse manifests whose reserves were walked for other counts, or not to their end."""
    findings = Findings()
    for name, parts in outcomes.items():
        for part, outcome in parts.items():
            target = walk_target(outcome.count, margin)
            ended_full = outcome.ok == target and (not outcome.tried or bool(outcome.tried[-1][1]))
            ended_empty = outcome.ok < target and len(outcome.tried) == outcome.candidates
            if not ended_full and not ended_empty:
                found = f"the manifest has {outcome.ok} images of part {part} where {target} were to be fetched"
                findings.add(_disagreement(name, found))
    findings.raise_if_any()


def _disagreement(name: str, what: str) -> str:
    return (
        f"Class {name!r}: {what}; plan and manifest are of different runs; "
        "remove the manifest and run again (no byte is fetched twice)."
    )


def _drop_duplicates(outcomes: Outcomes) -> list[dict[str, str]]:
    """Let the lowest key keep bytes that several places have, fill the parts, and return the drops."""
    # Classes come in label order, so equal keys (one URL in two classes) go to the lower label.
    places: dict[str, tuple[str, int, str]] = {}
    everywhere = [
        (name, part, key, sha256)
        for name, parts in outcomes.items()
        for part, outcome in parts.items()
        for key, sha256 in outcome.tried
        if sha256
    ]
    for number, (name, _, key, sha256) in enumerate(everywhere):
        places[sha256] = min(places.get(sha256, (key, number, name)), (key, number, name))
    drops = []
    for number, (name, part, key, sha256) in enumerate(everywhere):
        outcome = outcomes[name][part]
        kept_key, kept_number, kept_name = places[sha256]
        if number != kept_number:
            outcome.errors[ErrorClass.DUPLICATE] += 1
            drops.append({"class": name, "part": part, "key": key, "kept_class": kept_name, "kept_key": kept_key})
        elif len(outcome.kept) < outcome.count:
            outcome.kept.append((key, sha256))
    return drops


def _tell_shortage(outcomes: Outcomes, margin: float, accepting: bool) -> None:
    findings = Findings()
    for name, parts in outcomes.items():
        for part, outcome in parts.items():
            if len(outcome.kept) < outcome.count:
                sentence = _shortage(name, part, outcome, margin)
                if accepting and outcome.kept:
                    logger.warning("%s Going on with these, as on_shortage says.", sentence)
                else:
                    findings.add(sentence)
    if findings.sentences:
        findings.add(
            "Lower the counts, take these classes out of the class set, name a source with more candidates, or set "
            "on_shortage to accept. Where a failure may pass, remove the class's manifest and run again: "
            "only what failed is asked for."
        )
    findings.raise_if_any()


def _shortage(name: str, part: str, outcome: PartOutcome, margin: float) -> str:
    reasons = ", ".join(f"{number} {error}" for error, number in outcome.errors.most_common(_REASONS_TOLD))
    sentence = (
        f"Class {name!r}, part {part}: {len(outcome.kept)} images of the {outcome.count} needed, after trying "
        f"{len(outcome.tried)} of {outcome.candidates} candidates" + (f" ({reasons})." if reasons else ".")
    )
    if len(outcome.tried) < outcome.candidates:
        sentence += f" Its margin of {margin:g} did not make up for the duplicates; raise it."
    return sentence


def _summary(outcomes: Outcomes, drops: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return the funnel of each class and part, their totals, and the duplicates one by one."""
    funnels = {name: {part: outcome.funnel() for part, outcome in parts.items()} for name, parts in outcomes.items()}
    parts = [funnel for by_part in funnels.values() for funnel in by_part.values()]
    rejected: Counter[str] = Counter()
    for funnel in parts:
        rejected.update(funnel["rejected"])
    totals = {
        measure: sum(funnel[measure] for funnel in parts)
        for measure in ("candidates", "tried", "ok", "duplicates", "kept", "spare", "wanted")
    }
    return {**totals, "rejected": dict(rejected.most_common()), "classes": funnels, "dropped": list(drops)}


def _rows(outcomes: Outcomes) -> list[Settled]:
    return [
        Settled(name, key, part, sha256)
        for name, parts in outcomes.items()
        for part in PARTS
        if part in parts
        for key, sha256 in parts[part].kept
    ]
