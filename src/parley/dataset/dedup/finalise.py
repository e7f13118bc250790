"""Finalise the splits over all classes: write the splits, their classes and the counts of `funnel.json`."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from parley.core.files import write_json, write_table
from parley.dataset.class_set import ImageClass, write_class_set
from parley.dataset.dedup.assign import (
    assign,
    assign_and_drop_classes,
    check_shortages,
    realised_classes,
    reject_placeholders,
)
from parley.dataset.dedup.near_duplicates import COLUMNS as PAIR_COLUMNS
from parley.dataset.dedup.near_duplicates import NearDuplicateReport, read_perceptual_hashes, report_near_duplicates
from parley.dataset.dedup.outcomes import DedupOptions, Outcomes, PartOutcome, Removal, read_outcomes
from parley.dataset.fetch.candidate_queue import RepeatedBytes, warn_about_repeated_bytes
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.split_plan import PARTS, Counts

logger = logging.getLogger(__name__)


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


COLUMNS = ("class", "key", "part", "sha256")


class SplitOutputs(NamedTuple):
    """The files that `finalise_splits` writes.

    Attributes
    ----------
    splits
        A TSV: class, key, part (the split), sha256; sorted by label id, then split, then rank.
    funnel
        JSON: how many images reached each stage, by class, split and host, and what was removed.
    classes
        The class set without the classes that were dropped.
    near_copies
        A TSV of pairs of near duplicates; None if they are ignored.
    """

    splits: str | Path
    funnel: str | Path
    classes: str | Path
    near_copies: str | Path | None = None


def finalise_splits(
    plan: str | Path,
    manifests: Mapping[str, str | Path],
    hashes: Sequence[str | Path],
    classes: Sequence[ImageClass],
    counts: Counts,
    options: DedupOptions,
    files: SplitOutputs,
) -> dict[str, Any]:
    """Write the final splits, their classes, and the outcome of every URL tried.

    Bytes that more than `placeholder_repeats` URLs return, in any classes, are a placeholder and no image. If several
    URLs return the same bytes, the image with the lowest key is kept. A split replaces what it loses with the images
    fetched beyond its count, in the order of their ranks.

    Parameters
    ----------
    plan
        The table of `parley.dataset.split_plan`.
    manifests
        The manifest of each class, by class name.
    hashes
        The tables of `parley.dataset.dedup.perceptual_hash`, one per class; empty if near duplicates are ignored.
    classes
        The class set.
    counts
        Images per split, by domain.
    options
        The rules for duplicates and shortages.
    files
        Where to write.

    Returns
    -------
    The content of `files.funnel`.

    Raises
    ------
    ParleyError
        If the manifests do not belong to the plan, or splits are short of images; lists all findings.
    """
    options.check()
    outcomes = read_outcomes(plan, manifests, classes, counts, options)
    repeated = reject_placeholders(outcomes, options.placeholder_repeats)
    warn_about_repeated_bytes(repeated, "All classes together")
    finder = read_perceptual_hashes(hashes, options.near_copy_bits) if options.near_copies != "ignore" else None
    removing = finder if options.near_copies == "remove" else None
    if options.on_shortage == "drop_class":
        assign_and_drop_classes(outcomes, removing, options.margin)
    else:
        assign(outcomes.classes, removing)
    near = report_near_duplicates(outcomes, finder, options)
    summary = funnel_counts(outcomes, repeated, near)
    write_json(files.funnel, summary)
    check_shortages(outcomes, counts, options)
    write_class_set(files.classes, realised_classes(outcomes, classes))
    if files.near_copies is not None:
        write_table(files.near_copies, PAIR_COLUMNS, (pair.cells() for pair in near.listed))
    write_table(files.splits, COLUMNS, _rows(outcomes))
    logger.info(
        "%d images in %d classes; %d duplicates dropped",
        *(summary["kept"], len(outcomes.remaining), summary["duplicates"]),
    )
    return summary


def _rows(outcomes: Outcomes) -> Iterator[tuple[str, str, str, str]]:
    for outcome in outcomes.remaining:
        for part in PARTS:
            if part in outcome.parts:
                for image in outcome.parts[part].kept:
                    yield outcome.name, image.key, part, image.sha256
