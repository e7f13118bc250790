"""Outcomes of fetching, read from the plan and the manifests: per image, split, class and host."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from parley.core.errors import Findings, ParleyError
from parley.core.files import is_web_url
from parley.core.tables import stream_table
from parley.dataset.class_set import ImageClass, in_label_order
from parley.dataset.fetch.candidate_queue import QueueProgress, first_mismatch
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.split_plan import PARTS, Counts, fetch_target, stream_plan

ON_SHORTAGE = ("fail", "accept", "drop_class")
NEAR_COPIES = ("ignore", "report", "remove")


@dataclass(frozen=True, slots=True)
class DedupOptions:
    """Which images a split may keep, and what to do if there are too few.

    Attributes
    ----------
    margin
        The fraction of images fetched beyond each count.
    on_shortage
        What to do with a split that has fewer images than its count: `fail`; `accept`, log a warning and keep the
        split unless it is empty; `drop_class`, leave its class out.
    placeholder_repeats
        Bytes that more URLs than this return, over all classes, are a placeholder.
    near_copies
        What to do with near duplicates in different splits: `ignore`, `report` or `remove`.
    near_copy_bits
        The maximal Hamming distance of the perceptual hashes of near duplicates, in bits.
    evaluation
        The `k` and `k_unseen` of accuracy@k, checked against the remaining classes; empty skips the check.
    """

    margin: float
    on_shortage: str = "fail"
    placeholder_repeats: int = 5
    near_copies: str = "ignore"
    near_copy_bits: int = 4
    evaluation: Mapping[str, int | None] = field(default_factory=dict)

    def check(self) -> None:
        """Raise `ParleyError` if a value is not one of the allowed ones."""
        for name, value, known in (
            ("on_shortage", self.on_shortage, ON_SHORTAGE),
            ("near_copies", self.near_copies, NEAR_COPIES),
        ):
            if value not in known:
                raise ParleyError(f"{name} is {value!r}; it must be one of {', '.join(known)}.")


LOCAL = "local"
"""The host recorded for a local path."""


class Image(NamedTuple):
    """An image that was fetched."""

    image_class: str
    part: str
    key: str
    url: str
    sha256: str


class Removal(NamedTuple):
    """An image that is removed from its split, the reason, and the image kept instead."""

    image: Image
    reason: ErrorClass
    kept: Image


@dataclass
class PartOutcome:
    """The outcome of one split of one class.

    Attributes
    ----------
    candidates
        Number of candidates in the plan.
    count
        Images the split needs.
    tried
        Number of URLs tried.
    images
        Images fetched, by rank.
    rejected
        Number of URLs that gave no image, by reason.
    removals
        Images removed in favour of others.
    kept
        Images of the final split, by rank.
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
        """Return how many images were removed for a reason."""
        return sum(1 for removal in self.removals if removal.reason == reason)


@dataclass
class ClassOutcome:
    """The outcome of one class.

    Attributes
    ----------
    name, domain
        Name and domain of the class.
    parts
        Its splits, in the plan's order.
    placeholders
        Responses rejected as placeholders whose SHA-256 is known.
    dropped
        Why the class is dropped, one sentence per split; empty if it is kept.
    """

    name: str
    domain: str
    parts: dict[str, PartOutcome]
    placeholders: list[Image] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def is_short(self) -> bool:
        """Whether any split has fewer images than it needs."""
        return any(part.is_short for part in self.parts.values())

    def images(self) -> Iterator[Image]:
        """Yield its images by split and rank."""
        for part in self.parts.values():
            yield from part.images

    def drop(self, why: Sequence[str]) -> None:
        """Drop the class: it keeps no image; its other counts stay."""
        self.dropped = list(why)
        for part in self.parts.values():
            part.kept = []


@dataclass
class HostOutcome:
    """The outcome of the URLs of one host: `tried` = `ok` + rejected."""

    tried: int = 0
    ok: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def count(self, error: str) -> None:
        """Count a URL; `error` is empty if it gave an image."""
        self.tried += 1
        if error:
            self.rejected[error] += 1
        else:
            self.ok += 1

    def reject(self, error: str) -> None:
        """Count an image as rejected instead of ok."""
        self.ok -= 1
        self.rejected[error] += 1


@dataclass
class Outcomes:
    """All outcomes: classes in label order, and hosts by name."""

    classes: list[ClassOutcome]
    hosts: dict[str, HostOutcome] = field(default_factory=dict)

    @property
    def remaining(self) -> list[ClassOutcome]:
        """The classes that are not dropped."""
        return [one for one in self.classes if not one.dropped]


def host_of(address: str) -> str:
    """Return the host of an address, `local` for a path, or `malformed` if the host cannot be parsed."""
    if not is_web_url(address):
        return LOCAL
    try:
        return urlsplit(address).hostname or "malformed"
    except ValueError:
        return "malformed"


_COLUMNS = ("url", "key", "status", "error_class", "sha256")


class _Row(NamedTuple):
    """A row of a manifest."""

    url: str
    key: str
    status: str
    error_class: str
    sha256: str

    @property
    def error(self) -> str:
        """Why the URL gave no image; empty if it gave one."""
        return "" if self.status == "ok" else self.error_class


def read_outcomes(
    plan: str | Path,
    manifests: Mapping[str, str | Path],
    classes: Sequence[ImageClass],
    counts: Counts,
    options: DedupOptions,
) -> Outcomes:
    """Assign the manifests' rows to the splits that the plan gives them.

    Keeps one row of the plan in memory at a time, and those rows of the manifests that have a SHA-256.

    Raises
    ------
    ParleyError
        If the manifests are not what the plan gives with these settings; lists all findings.
    """
    by_name = {image_class.name: image_class for image_class in classes}
    outcomes = Outcomes([])
    found: dict[str, ClassOutcome] = {}
    findings = Findings()
    for name, parts in stream_plan(plan, by_name):
        reading = _Reading(by_name[name], manifests[name], counts, options, outcomes.hosts)
        findings.extend(reading.read(parts))
        found[name] = reading.outcome
    for name in sorted(by_name.keys() - found.keys()):
        # Only this rule allows a class without any candidate.
        if options.on_shortage != "drop_class":
            findings.add(f"{plan} lacks the class {name!r}; run `snakemake --forcerun split`.")
        reading = _Reading(by_name[name], manifests[name], counts, options, outcomes.hosts)
        findings.extend(reading.read(iter(())))
        found[name] = reading.outcome
    findings.raise_if_any()
    outcomes.classes = [found[image_class.name] for image_class in in_label_order(classes)]
    return outcomes


class _Reading:
    """Reads one class."""

    def __init__(
        self,
        image_class: ImageClass,
        manifest: str | Path,
        counts: Counts,
        options: DedupOptions,
        hosts: dict[str, HostOutcome],
    ) -> None:
        self._name, self._manifest, self._options, self._hosts = image_class.name, manifest, options, hosts
        self._wanted = counts.get(image_class.domain, {})
        self._answers: list[list[tuple[str, str]]] = []
        self.outcome = ClassOutcome(image_class.name, image_class.domain, {})

    def read(self, parts: Iterator[tuple[str, Iterator[str]]]) -> list[str]:
        """Read the manifest beside the class's rows of the plan; return the mismatches."""
        rows = (_Row(*cells) for cells in stream_table(self._manifest, _COLUMNS))
        row = next(rows, None)
        for part, keys in parts:
            outcome = self._begin(part)
            for key in keys:
                outcome.candidates += 1
                # The URLs tried for a split are the first of its candidates, without a gap.
                if row is not None and row.key == key and len(self._answers[-1]) == outcome.candidates - 1:
                    self._add(outcome, part, row)
                    row = next(rows, None)
        for part in PARTS:
            if self._wanted.get(part) and part not in self.outcome.parts:
                self._begin(part)
        if row is not None:
            return [self._disagreement(f"{self._manifest} has the key {row.key} where the plan has none or another")]
        return self._stray()

    def _begin(self, part: str) -> PartOutcome:
        self._answers.append([])
        outcome = self.outcome.parts[part] = PartOutcome(0, self._wanted.get(part, 0))
        return outcome

    def _add(self, outcome: PartOutcome, part: str, row: _Row) -> None:
        image = Image(self._name, part, row.key, row.url, row.sha256)
        outcome.tried += 1
        self._hosts.setdefault(host_of(row.url), HostOutcome()).count(row.error)
        self._answers[-1].append((row.key, "" if row.error else row.sha256))
        if not row.error:
            outcome.images.append(image)
            return
        outcome.rejected[row.error] += 1
        if row.error == ErrorClass.PLACEHOLDER and row.sha256:
            self.outcome.placeholders.append(image)

    def _stray(self) -> list[str]:
        """Return a finding if the URLs tried are those of other counts, or stop too early."""
        parts = list(self.outcome.parts.items())
        targets = [fetch_target(outcome.count, self._options.margin) for _, outcome in parts]
        stretches = [
            QueueProgress(outcome.candidates, target) for (_, outcome), target in zip(parts, targets, strict=True)
        ]
        mismatch = first_mismatch(stretches, self._answers, self._options.placeholder_repeats)
        if mismatch is None:
            return []
        part, outcome = parts[mismatch]
        return [
            self._disagreement(
                f"the manifest has {outcome.tried} URLs of part {part} tried, "
                f"which are not those that it takes to fetch {targets[mismatch]} images"
            )
        ]

    def _disagreement(self, what: str) -> str:
        return (
            f"Class {self._name!r}: {what}; plan and manifest are of different runs; "
            "remove the manifest and run again (no byte is fetched twice)."
        )
