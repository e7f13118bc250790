"""Read the plan and the manifests side by side, and check that the URLs tried are those the plan asks for."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import Findings
from parley.core.tables import stream_table
from parley.dataset.class_set import ImageClass, in_label_order
from parley.dataset.dedup.options import DedupOptions
from parley.dataset.dedup.outcomes import ClassOutcome, HostOutcome, Image, Outcomes, PartOutcome, host_of
from parley.dataset.fetch.candidate_queue import DuplicateTracker, QueueProgress, first_mismatch
from parley.dataset.fetch.outcomes import ErrorClass
from parley.dataset.plan_file import stream_plan
from parley.dataset.split_plan import PARTS, Counts, fetch_target

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
        mismatch = first_mismatch(stretches, self._answers, DuplicateTracker(self._options.placeholder_repeats))
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
