"""Decide which images each split keeps: reject placeholders, remove duplicates, handle shortages."""

import logging
import shlex
from collections import Counter
from collections.abc import Sequence

from parley.core.errors import Findings, ParleyError
from parley.dataset.class_set import DOMAINS, IN_DOMAIN
from parley.dataset.dedup.near_duplicates import NearDuplicateFinder
from parley.dataset.dedup.outcomes import ClassOutcome, DedupOptions, Image, Outcomes, PartOutcome, Removal, host_of
from parley.dataset.fetch.candidate_queue import RepeatedBytes
from parley.dataset.fetch.outcomes import LOCAL_ERRORS, TRANSIENT, ErrorClass
from parley.dataset.split_plan import Counts

logger = logging.getLogger(__name__)
_MOST_REASONS = 3
_ADVICE = (
    "Lower the counts of `split`, remove these classes from the class set, choose a source with more candidates, "
    "or set fetch.on_shortage to {others}."
)
_OUTSIDE_ROOT = (
    "The error outside_root means that `..` or a link leads out of the source's root. Copy these images there, or set "
    "`root` (`local_root` of a table) to a folder that contains them."
)
_MOST_PATHS = 10


def reject_placeholders(outcomes: Outcomes, placeholder_repeats: int) -> list[RepeatedBytes]:
    """Reject images whose bytes were returned by more than `placeholder_repeats` different URLs, over all classes.

    Such bytes are a placeholder, which servers return for missing images. Return the placeholders, the most frequent
    first. The fetch stage counts the URLs of each class separately, so it accepts a placeholder in a class in which few
    URLs returned it, even if it rejects it in another class. The URLs that it rejected are therefore counted here too.
    """
    responses = [image for one in outcomes.classes for image in (*one.images(), *one.placeholders)]
    rows = Counter(image.sha256 for image in responses)
    urls: dict[str, dict[str, str]] = {sha: {} for sha, number in rows.items() if number > placeholder_repeats}
    for image in responses:
        if image.sha256 in urls:
            urls[image.sha256][image.key] = image.url
    # A URL that is listed for two classes is counted once.
    repeated = {sha: of_key for sha, of_key in urls.items() if len(of_key) > placeholder_repeats}
    for one in outcomes.classes:
        for part in one.parts.values():
            _reject(part, [image for image in part.images if image.sha256 in repeated], outcomes)
    found = [RepeatedBytes(sha, len(of_key), of_key[min(of_key)]) for sha, of_key in repeated.items()]
    return sorted(found, key=lambda one: (-one.urls, one.sha256))


def assign(classes: Sequence[ClassOutcome], finder: NearDuplicateFinder | None) -> None:
    """Decide which images each split of these classes keeps, discarding earlier decisions.

    Among images with equal bytes, the image with the lowest key is retained. If the keys are also equal (one URL in
    two classes), the class with the lower label id retains the image. With a `finder`, the retained images are then
    visited in order of key, and an image is removed if it is a near duplicate of an earlier image in another split
    that was not removed. Each split keeps its first remaining images in order of rank, up to its count. If it still
    has too few, it takes back a removed image, provided that no split keeps the image that this one duplicates; then
    it takes images of the class that no split keeps. Images of the fill come last, and are kept only in this way.
    """
    holders: dict[str, Image] = {}
    for image in (image for one in classes for image in one.images()):
        if image.precedence < holders.setdefault(image.sha256, image).precedence:
            holders[image.sha256] = image
    of_splits = (image for image in holders.values() if not image.fills)
    copies = finder.near_duplicates(of_splits) if finder is not None else {}
    parts = [part for one in classes for part in one.parts.values()]
    for part in parts:
        part.kept, part.removals = [], []
        for image in part.images:
            holder = holders[image.sha256]
            if holder is not image:
                part.removals.append(Removal(image, ErrorClass.DUPLICATE, holder))
            elif image.sha256 in copies:
                part.removals.append(Removal(image, ErrorClass.NEAR_COPY, copies[image.sha256]))
            elif part.is_short and not image.fills:
                part.kept.append(image)
    if any(part.is_short for part in parts):
        kept = {image.sha256: image for part in parts for image in part.kept}
        _reclaim(parts, kept, finder)
        for one in classes:
            _take_spares(one, kept, finder)


def _reclaim(parts: Sequence[PartOutcome], kept: dict[str, Image], finder: NearDuplicateFinder | None) -> None:
    """Let splits with too few images keep a removed duplicate, if no split keeps the image that it duplicates.

    `kept` has all images kept so far, by SHA-256; images are added to it.
    """
    for part in (part for part in parts if part.is_short and part.removals):
        for removal in list(part.removals):
            image = removal.image
            if image.sha256 in kept or (finder is not None and finder.is_near_duplicate(image, kept.values())):
                continue
            part.removals.remove(removal)
            part.kept.append(image)
            kept[image.sha256] = image
            if not part.is_short:
                break
        ranks = {image.key: rank for rank, image in enumerate(part.images)}
        part.kept.sort(key=lambda image: ranks[image.key])


def _take_spares(one: ClassOutcome, kept: dict[str, Image], finder: NearDuplicateFinder | None) -> None:
    """Let the short splits of a class keep its other images: those of the fill, then those of a margin, by key."""
    if not one.is_short:
        return
    spares = sorted(one.images(), key=lambda image: (not image.fills, image.key))
    for name, part in one.parts.items():
        for spare in spares if part.is_short else ():
            image = spare._replace(part=name)
            if image.sha256 in kept or (finder is not None and finder.is_near_duplicate(image, kept.values())):
                continue
            part.kept.append(image)
            kept[image.sha256] = image
            home = one.parts[spare.part]
            home.removals = [removal for removal in home.removals if removal.image.key != image.key]
            if not part.is_short:
                break


def _reject(part: PartOutcome, images: Sequence[Image], outcomes: Outcomes) -> None:
    if not images:
        return
    gone = {image.key for image in images}
    part.images = [image for image in part.images if image.key not in gone]
    part.rejected[ErrorClass.PLACEHOLDER] += len(images)
    for image in images:
        outcomes.hosts[host_of(image.url)].subtract([""])
        outcomes.hosts[host_of(image.url)][ErrorClass.PLACEHOLDER] += 1


def assign_and_drop_classes(outcomes: Outcomes, finder: NearDuplicateFinder | None, margin: float) -> None:
    """Decide which images each split keeps. Drop classes until every remaining class has enough images.

    First, drop every class that would have too few images even if there were no other classes. The remaining classes
    can have too few only because other classes keep the same images. While there are such classes, drop the one
    with the highest label id, and assign the images of the others again, which may then keep the shared images.
    """
    for one in outcomes.classes:
        assign([one], finder)
        _drop_if_short(one, margin)
    assign(outcomes.remaining, finder)
    while short := [one for one in outcomes.remaining if one.is_short]:
        _drop_if_short(short[-1], margin)
        assign(outcomes.remaining, finder)


def check_shortages(outcomes: Outcomes, counts: Counts, options: DedupOptions) -> None:
    """Log a warning for each shortage that `options.on_shortage` accepts, and raise an error for the others.

    Raises
    ------
    ParleyError
        If a split has too few images and `on_shortage` is `fail`, if a split is empty, or if too few classes remain.
    """
    findings = Findings()
    if options.on_shortage == "drop_class":
        for one in outcomes.classes:
            if one.dropped:
                logger.warning(
                    "Class %r is dropped (fetch.on_shortage: drop_class). %s", one.name, " ".join(one.dropped)
                )
        findings.extend(_too_few_classes(outcomes, counts))
    for one, part in _short_parts(outcomes.remaining):
        sentence = shortage(one, part, options.margin)
        if options.on_shortage == "accept" and one.parts[part].kept:
            logger.warning("%s Accepted (on_shortage: accept).", sentence)
        else:
            findings.add(sentence)
    if findings.sentences:
        others = " or ".join(rule for rule in ("accept", "drop_class") if rule != options.on_shortage)
        short = [one for one in outcomes.classes if one.is_short or one.dropped]
        raise ParleyError([*findings.sentences, _ADVICE.format(others=others), *_advice_on_errors(short)])


def _advice_on_errors(short: Sequence[ClassOutcome]) -> list[str]:
    """Return advice on errors that may be temporary, and on errors of local files."""
    errors = {one.name: {error for part in one.parts.values() for error in part.rejected} for one in short}
    found = [_OUTSIDE_ROOT] if any(ErrorClass.OUTSIDE_ROOT in of_class for of_class in errors.values()) else []
    made = list(dict.fromkeys(one.made for one in short if one.made and errors[one.name] & (TRANSIENT | LOCAL_ERRORS)))
    if made:
        command = f"rm -r {shlex.join(made[:_MOST_PATHS])}"
        more = f" (and {len(made) - _MOST_PATHS} others like these)" if len(made) > _MOST_PATHS else ""
        found.append(
            "Some failures may be temporary, or the files can be corrected. To retry only these images, "
            f"run `{command}`{more}, then the same command as before."
        )
    return found


def shortage(one: ClassOutcome, part: str, margin: float) -> str:
    """Return a sentence that states how many images a split has and needs, and why images are missing."""
    outcome = one.parts[part]
    reasons = outcome.rejected + Counter(str(removal.reason) for removal in outcome.removals)
    listed = ", ".join(_most_frequent(reasons))
    sentence = (
        f"Class {one.name!r}, split {part}: {len(outcome.kept)} images of the {outcome.count} needed, after trying "
        f"{outcome.tried} of {outcome.candidates} candidates" + (f" ({listed})." if listed else ".")
    )
    if any(other.tried < other.candidates for other in one.parts.values()):
        sentence += f" Its margin of {margin:g} did not make up for the duplicates removed; raise it."
    return sentence


def _most_frequent(reasons: Counter[str]) -> list[str]:
    """Return phrases such as "3 not_found" for the most frequent reasons, and one phrase for all other reasons."""
    commonest = reasons.most_common(_MOST_REASONS)
    others = reasons.total() - sum(number for _, number in commonest)
    return [f"{number} {reason}" for reason, number in commonest] + [f"{others} for other reasons"] * (others > 0)


def _drop_if_short(one: ClassOutcome, margin: float) -> None:
    if one.is_short:
        one.drop([shortage(one, part, margin) for _, part in _short_parts([one])])


def _short_parts(classes: Sequence[ClassOutcome]) -> list[tuple[ClassOutcome, str]]:
    return [(one, part) for one in classes for part, outcome in one.parts.items() if outcome.is_short]


def _too_few_classes(outcomes: Outcomes, counts: Counts) -> list[str]:
    """Return a sentence for each problem: a domain has no class left, or too few are left for a game."""
    before = Counter(one.domain for one in outcomes.classes)
    left = Counter(one.domain for one in outcomes.remaining)
    if before == left:
        return []
    names = {
        domain: ", ".join(one.name for one in outcomes.classes if one.dropped and one.domain == domain)
        for domain in DOMAINS
    }
    found = [
        f"Every class of the domain {domain} is dropped ({names[domain]}), "
        f"and no class remains for {', '.join(part for part, count in counts[domain].items() if count)}."
        for domain in DOMAINS
        if before[domain] and not left[domain] and any(counts.get(domain, {}).values())
    ]
    if before[IN_DOMAIN] > left[IN_DOMAIN] == 1:
        found.append(
            f"Only one of {before[IN_DOMAIN]} in-domain classes remains ({names[IN_DOMAIN]} dropped); "
            "a game needs at least two."
        )
    return found
