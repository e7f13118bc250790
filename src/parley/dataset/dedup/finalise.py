"""Finalise the splits of all classes: write the splits, the counts in `funnel.json`, and the remaining classes."""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import write_json
from parley.core.formats import by_frequency
from parley.core.tables import write_table
from parley.dataset.class_set import ImageClass, remaining_classes, write_class_set
from parley.dataset.dedup.assign import (
    assign,
    assign_and_drop_classes,
    check_shortages,
    reject_placeholders,
)
from parley.dataset.dedup.near_duplicates import COLUMNS as PAIR_COLUMNS
from parley.dataset.dedup.near_duplicates import NearDuplicateFinder, report_near_duplicates
from parley.dataset.dedup.outcomes import DedupOptions, Outcomes, PartOutcome, read_outcomes
from parley.dataset.fetch.candidate_queue import RepeatedBytes, warn_about_repeated_bytes
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.split_plan import PARTS, Counts, check_topk

logger = logging.getLogger(__name__)
COLUMNS = ("class", "key", "part", "sha256")
_SUMMED = ("candidates", "tried", "ok", "duplicates", "near_copies", "kept", "spare", "wanted")


def finalise_splits(
    plan: str | Path,
    manifests: Mapping[str, str | Path],
    hashes: Sequence[str | Path],
    classes: Sequence[ImageClass],
    counts: Counts,
    options: DedupOptions,
    *,
    splits: str | Path,
    funnel: str | Path,
    near_copies: str | Path | None = None,
    shards: Collection[str] = (),
) -> dict[str, Any]:
    """Write the final splits, their class set, and how many of the URLs tried had each outcome.

    Bytes returned by more than `placeholder_repeats` URLs, over all classes, are rejected as a placeholder. If several
    URLs return the same bytes, the image with the lowest key is kept. Each split may have spare images, fetched beyond
    its count; in order of rank, they replace the split's removed images.

    Parameters
    ----------
    plan
        Path of the split plan, as written by `parley.dataset.split_plan`.
    manifests
        By class name, the path of the class's manifest, which is the table of all URLs tried for the class.
    hashes
        Paths of the tables of perceptual hashes, one per class; empty if near duplicates are ignored.
    classes
        The class set.
    counts
        For each domain of classes (in, out or transfer), the number of images that each class needs per split.
    options
        Rules for duplicates and shortages.
    splits
        Path of the TSV to write, with the columns class, key, part (the split) and sha256. It is sorted by label id,
        then split, then rank.
    funnel
        Path of the JSON file to write. It states how many images reached each stage, by class, split and host, and
        which images and classes were removed.
    near_copies
        Path of the TSV to write, with the pairs of near duplicates; None if they are ignored.
    shards
        Folders of manifests that are made and removed as a whole; for advice in errors.

    Returns
    -------
    The contents written to `funnel`.

    Raises
    ------
    ParleyError
        If the manifests do not match the plan, or splits have too few images. The error lists all problems.
    """
    options.check()
    outcomes = read_outcomes(plan, manifests, classes, counts, options, shards)
    repeated = reject_placeholders(outcomes, options.placeholder_repeats)
    warn_about_repeated_bytes(repeated, "All classes together")
    finder = NearDuplicateFinder.read(hashes, options.near_copy_bits) if options.near_copies != "ignore" else None
    removing = finder if options.near_copies == "remove" else None
    if options.on_shortage == "drop_class":
        assign_and_drop_classes(outcomes, removing, options.margin)
    else:
        assign(outcomes.classes, removing)
    for one in outcomes.classes:
        one.move_candidates()
    near, pairs = report_near_duplicates(outcomes, finder, options)
    summary = _funnel_counts(outcomes, repeated, near)
    write_json(funnel, summary)
    check_shortages(outcomes, counts, options)
    if near_copies is not None:
        write_table(near_copies, PAIR_COLUMNS, pairs)
    write_table(splits, COLUMNS, _rows(outcomes))
    logger.info(
        "%d images in %d classes; %d duplicates dropped",
        *(summary["kept"], len(outcomes.remaining), summary["duplicates"]),
    )
    return summary


def write_final_classes(
    funnel: str | Path, classes: Sequence[ImageClass], evaluation: Mapping[str, int | None], destination: str | Path
) -> None:
    """Write the class set without the classes that `finalise_splits` dropped.

    Parameters
    ----------
    funnel
        Path of the JSON file written by `finalise_splits`.
    classes
        The class set.
    evaluation
        `k` and `k_unseen` of accuracy@k, to check against the number of remaining classes; empty skips the check.
    destination
        Path of the TSV to write.

    Raises
    ------
    ParleyError
        If `k` or `k_unseen` is larger than the number of classes to choose from.
    """
    remaining = remaining_classes(funnel, classes)
    found = check_topk(evaluation, Counter(one.domain for one in remaining)) if evaluation else []
    if found:
        raise ParleyError([f"After dropping classes: {sentence}" for sentence in found])
    write_class_set(destination, remaining)


def _rows(outcomes: Outcomes) -> Iterator[tuple[str, str, str, str]]:
    for outcome in outcomes.remaining:
        for part in PARTS:
            if part in outcome.parts:
                for image in outcome.parts[part].kept:
                    yield outcome.name, image.key, part, image.sha256


def _funnel_counts(outcomes: Outcomes, repeated: Sequence[RepeatedBytes], near: dict[str, Any]) -> dict[str, Any]:
    """Return the contents of funnel.json.

    Every URL tried either gave no usable image and is counted under one reason in `rejected`, or is counted in exactly
    one of `kept`, `spare`, `duplicates` and `near_copies` (those removed). `ok` is the sum of these four.
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
    removals = (removal for one in outcomes.classes for part in one.parts.values() for removal in part.removals)
    return {
        **{measure: sum(counts[measure] for counts in parts) for measure in _SUMMED},
        "near_copies": near,
        "rejected": _rejected(rejected),
        "placeholders": [one._asdict() for one in repeated],
        "dropped_classes": {one.name: one.dropped for one in outcomes.classes if one.dropped},
        "classes": classes,
        "hosts": {
            host: {"tried": urls.total(), "ok": urls[""], "rejected": _rejected(urls)}
            for host, urls in sorted(outcomes.hosts.items(), key=lambda item: (-item[1].total(), item[0]))
        },
        "dropped": [
            {
                "class": removal.image.image_class,
                "part": removal.image.part,
                "key": removal.image.key,
                "kept_class": removal.kept.image_class,
                "kept_key": removal.kept.key,
            }
            for removal in removals
            if removal.reason == ErrorClass.DUPLICATE
        ],
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


def _rejected(urls: Mapping[str, int]) -> dict[str, int]:
    """Return the number of URLs that gave no image, by error, most frequent error first."""
    return {error: number for error, number in by_frequency(urls) if error}
