"""Outcomes of fetching, by split, class and host, read from the split plan and the tables of URLs tried."""

import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from parley.core.errors import Findings, ParleyError
from parley.core.files import is_web_url
from parley.core.tables import stream_table
from parley.dataset.class_set import ImageClass, in_label_order
from parley.dataset.fetch.candidate_queue import QueueProgress, replay
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.split_plan import PARTS, Counts, fetch_target, stream_plan

ON_SHORTAGE = ("fail", "accept", "drop_class")
NEAR_COPIES = ("ignore", "report", "remove")


@dataclass(frozen=True, slots=True)
class DedupOptions:
    """Rules for removing duplicates, and for splits with too few images.

    Attributes
    ----------
    margin
        Number of images fetched beyond a split's count, as a fraction of the count.
    on_shortage
        What to do with a split that has fewer images than its count. `fail`: raise an error; `accept`: log a warning
        and keep the split, unless it is empty; `drop_class`: drop its class.
    placeholder_repeats
        Maximum number of URLs, over all classes, that may return the same bytes. Bytes returned by more URLs are
        rejected as a placeholder.
    near_copies
        What to do with near duplicates in different splits: `ignore`, `report` or `remove`.
    near_copy_bits
        Maximum Hamming distance between the perceptual hashes of near duplicates, in bits.
    """

    margin: float
    on_shortage: str = "fail"
    placeholder_repeats: int = 5
    near_copies: str = "ignore"
    near_copy_bits: int = 4

    def check(self) -> None:
        """Raise `ParleyError` if `on_shortage` or `near_copies` is not one of the allowed values."""
        for name, value, known in (
            ("on_shortage", self.on_shortage, ON_SHORTAGE),
            ("near_copies", self.near_copies, NEAR_COPIES),
        ):
            if value not in known:
                raise ParleyError(f"{name} is {value!r}; it must be one of {', '.join(known)}.")


LOCAL_HOST = "local"
"""Name that is recorded as the host of a local path."""


class Image(NamedTuple):
    """A fetched image."""

    image_class: str
    part: str
    key: str
    url: str
    sha256: str
    fills: bool = False  # True if it was fetched for any split of its class with too few candidates of its own

    @property
    def precedence(self) -> tuple[bool, str]:
        """Position in the order in which images are kept: by key, and those of the fill last."""
        return self.fills, self.key


class Removal(NamedTuple):
    """An image removed from its split, the reason for the removal, and the image that it duplicates."""

    image: Image
    reason: ErrorClass
    kept: Image


@dataclass
class PartOutcome:
    """Outcome of fetching and deduplication for one split of one class.

    Attributes
    ----------
    candidates
        Number of candidates in the split plan.
    count
        Number of images that the split needs.
    tried
        Number of URLs tried.
    images
        Fetched images, in order of rank.
    rejected
        Number of URLs that gave no usable image, by reason.
    removals
        Images removed as duplicates or near duplicates.
    kept
        Images of the final split, in order of rank.
    """

    candidates: int
    count: int
    tried: int = 0
    images: list[Image] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    removals: list[Removal] = field(default_factory=list)
    kept: list[Image] = field(default_factory=list)

    @property
    def is_short(self) -> bool:
        """Whether the split has fewer images than it needs."""
        return len(self.kept) < self.count

    def count_removed(self, reason: ErrorClass) -> int:
        """Return the number of images removed for a reason."""
        return sum(1 for removal in self.removals if removal.reason == reason)


@dataclass
class ClassOutcome:
    """Outcome of fetching and deduplication for one class.

    Attributes
    ----------
    name, domain
        Name and domain of the class.
    parts
        Outcome of each split, by name, in the order of the plan.
    placeholders
        Images that the fetch stage rejected as placeholders and whose SHA-256 is in the manifest.
    dropped
        Reasons why the class is dropped, one sentence per split with too few images; empty if the class is kept.
    made
        Path of the manifest or, for a large class set, of the folder that is made with it; what to remove to fetch the
        class again.
    """

    name: str
    domain: str
    parts: dict[str, PartOutcome]
    placeholders: list[Image] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    made: str = ""

    @property
    def is_short(self) -> bool:
        """Whether any split has fewer images than it needs."""
        return any(part.is_short for part in self.parts.values())

    def images(self) -> Iterator[Image]:
        """Yield the fetched images, by split and rank."""
        for part in self.parts.values():
            yield from part.images

    def move_candidates(self) -> None:
        """Move the candidates of images that another split keeps to that split, so that its counts include them."""
        homes = {image.key: of_part for of_part in self.parts.values() for image in of_part.images}
        for of_part in self.parts.values():
            for image in of_part.kept:
                if (home := homes[image.key]) is not of_part:
                    home.images = [one for one in home.images if one.key != image.key]
                    of_part.images.append(image)
                    home.candidates, home.tried = home.candidates - 1, home.tried - 1
                    of_part.candidates, of_part.tried = of_part.candidates + 1, of_part.tried + 1

    def drop(self, why: Sequence[str]) -> None:
        """Drop the class and record the reasons. None of its images is kept; its other counts do not change."""
        self.dropped = list(why)
        for part in self.parts.values():
            part.kept = []


@dataclass
class Outcomes:
    """Outcomes of all classes and hosts.

    Attributes
    ----------
    classes
        Outcome of each class, in order of label id.
    hosts
        For each host, the number of its URLs by error. The error "" counts the URLs that gave an image.
    """

    classes: list[ClassOutcome]
    hosts: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def remaining(self) -> list[ClassOutcome]:
        """The classes that are not dropped."""
        return [one for one in self.classes if not one.dropped]


def host_of(address: str) -> str:
    """Return the host of an address, `local` for a path, or `malformed` if the host cannot be parsed."""
    if not is_web_url(address):
        return LOCAL_HOST
    try:
        return urlsplit(address).hostname or "malformed"
    except ValueError:
        return "malformed"


def read_outcomes(
    plan: str | Path,
    manifests: Mapping[str, str | Path],
    classes: Sequence[ImageClass],
    counts: Counts,
    options: DedupOptions,
    shards: Collection[str] = (),
) -> Outcomes:
    """Read the manifests (tables of URLs tried), and add each URL to the outcome of its split in the plan.

    Only one row of the plan, and the manifest rows of images and placeholders, are kept in memory.

    Raises
    ------
    ParleyError
        If the manifests do not match the plan and the settings. The error lists all mismatches.
    """
    by_name = {image_class.name: image_class for image_class in classes}
    outcomes = Outcomes([])
    found: dict[str, ClassOutcome] = {}
    findings = Findings()

    def read(name: str, parts: Iterator[tuple[str, Iterator[str]]]) -> None:
        wanted = counts.get(by_name[name].domain, {})
        folder = str(Path(manifests[name]).parent)
        made = folder if folder in shards else str(manifests[name])
        found[name] = ClassOutcome(name, by_name[name].domain, {}, made=made)
        if mismatch := _read_class(found[name], parts, manifests[name], wanted, options, outcomes.hosts):
            findings.add(
                f"Class {name!r}: {mismatch}; the plan and the manifest come from different runs. Run "
                f"`rm -r {shlex.quote(made)}`, then the same command as before (stored images are not fetched again)."
            )

    for name, parts in stream_plan(plan, by_name):
        read(name, parts)
    for name in sorted(by_name.keys() - found.keys()):
        # Only `drop_class` allows a class without candidates.
        if options.on_shortage != "drop_class":
            findings.add(f"{plan} lacks the class {name!r}; run `uv run snakemake --cores 1 --forcerun split`.")
        read(name, iter(()))
    findings.raise_if_any()
    outcomes.classes = [found[image_class.name] for image_class in in_label_order(classes)]
    return outcomes


def _read_class(
    outcome: ClassOutcome,
    parts: Iterator[tuple[str, Iterator[str]]],
    manifest: str | Path,
    wanted: Mapping[str, int],
    options: DedupOptions,
    hosts: dict[str, Counter[str]],
) -> str:
    """Add a class's manifest to `outcome` and `hosts`. Return how it contradicts the plan, or an empty string."""
    tried: list[list[tuple[str, str, int]]] = []
    lowest_untried: str | None = None
    rows = stream_table(manifest, ("key", "url", "status", "error_class", "sha256"))
    row = next(rows, None)
    for part, keys in parts:
        of_part = outcome.parts[part] = PartOutcome(0, wanted.get(part, 0))
        tried.append([])
        for key in keys:
            if row is not None and row[0] == key:
                tried[-1].append((*_add(outcome, part, row, hosts), of_part.candidates))
                row = next(rows, None)
            elif lowest_untried is None or key < lowest_untried:
                lowest_untried = key
            of_part.candidates += 1
    for part in PARTS:
        if wanted.get(part) and part not in outcome.parts:
            outcome.parts[part] = PartOutcome(0, wanted[part])
            tried.append([])
    if row is not None:
        return f"{manifest} has the key {row[0]}, which is not the next one in the plan"
    targets = [fetch_target(of_part.count, options.margin) for of_part in outcome.parts.values()]
    progress = [
        QueueProgress(of_part.candidates, of_part.count, target)
        for of_part, target in zip(outcome.parts.values(), targets, strict=True)
    ]
    mismatch, filling = replay(progress, tried, lowest_untried, options.placeholder_repeats)
    if mismatch is None:
        for of_part in outcome.parts.values() if filling else ():
            of_part.images = [image._replace(fills=image.key in filling) for image in of_part.images]
        return ""
    return (
        f"the manifest has {len(tried[mismatch])} URLs tried for split {list(outcome.parts)[mismatch]}, "
        f"which is not the number that had to be tried to fetch {targets[mismatch]} images"
    )


def _add(outcome: ClassOutcome, part: str, row: tuple[str, ...], hosts: dict[str, Counter[str]]) -> tuple[str, str]:
    """Add a manifest row to `outcome` and `hosts`. Return its key and SHA-256, which is empty if there is no image."""
    key, url, status, error, sha256 = row
    error = "" if status == "ok" else error
    image, of_part = Image(outcome.name, part, key, url, sha256), outcome.parts[part]
    of_part.tried += 1
    hosts.setdefault(host_of(url), Counter())[error] += 1
    if not error:
        of_part.images.append(image)
        return key, sha256
    of_part.rejected[error] += 1
    if error == ErrorClass.PLACEHOLDER and sha256:
        outcome.placeholders.append(image)
    return key, ""
