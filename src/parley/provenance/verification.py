"""Whether files are still what `provenance.json` says that they were."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from parley.core.files import sha256_of
from parley.core.progress import Progress
from parley.provenance.document import read_files
from parley.provenance.history import own_files
from parley.provenance.records import Records

logger = logging.getLogger(__name__)


@dataclass
class Verdict:
    """What became of the files of an experiment and of all that they were made of; paths.

    Attributes
    ----------
    same
        With the bytes that they had.
    changed
        With other bytes.
    missing
        Not there.
    new
        Made by the workflow since `provenance.json` was written, and as their jobs left them.
    unknown
        In the results folder, and made by nothing on record.
    """

    same: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether everything is what it is said to be."""
        return not (self.changed or self.missing or self.unknown)


def verify(folder: str | Path) -> Verdict:
    """Hash every file that an experiment's `provenance.json` names, and look for others.

    Parameters
    ----------
    folder
        ``results/<e>``, relative to the working folder as the paths in the file are.

    Raises
    ------
    ParleyError
        When there is no `provenance.json`, or it is damaged.
    """
    known = read_files(folder)
    records = Records()
    others = [path for path in own_files(folder) if path not in known]
    verdict = Verdict()
    # Files and not bytes: of large class sets there are tens of thousands of small ones.
    with Progress("Hashing", len(known) + len(others), "file") as progress:
        for path, facts in known.items():
            _judge(path, facts, records, verdict)
            progress.advance()
        for path in others:
            made = _left(path, records)
            is_new = made is not None and made == _facts(path)
            (verdict.new if is_new else verdict.changed if made else verdict.unknown).append(path)
            progress.advance()
    return verdict


def _judge(path: str, facts: tuple[int, str], records: Records, verdict: Verdict) -> None:
    if not Path(path).expanduser().is_file():
        verdict.missing.append(path)
        return
    found = _facts(path)
    if found == facts:
        verdict.same.append(path)
    else:
        # Made again since: as its job left it, it is new and not changed.
        (verdict.new if found == _left(path, records) else verdict.changed).append(path)


def _left(path: str, records: Records) -> tuple[int, str] | None:
    """Return size and SHA-256 of a file as its job left it."""
    record = records.maker_of(path)
    made = record.output(path) if record else None
    return (made.bytes, made.sha256) if made else None


def _facts(path: str) -> tuple[int, str]:
    place = Path(path).expanduser()
    return place.stat().st_size, sha256_of(place)


def told(verdict: Verdict, folder: str | Path, most: int | None = 10) -> str:
    """Return a verdict in sentences and lists; of each kind the first `most` paths, or all."""
    kinds: Mapping[str, list[str]] = {
        "changed: other bytes than were made": verdict.changed,
        "missing: was there when provenance.json was written": verdict.missing,
        "unknown: in the results folder, and made by nothing on record": verdict.unknown,
        "new: made since provenance.json was written, and as its job left it": verdict.new,
    }
    lines = []
    for kind, paths in kinds.items():
        if paths:
            lines.append(f"{len(paths)} {kind}")
            lines += [f"  {path}" for path in paths[:most]]
            lines += [f"  and {len(paths) - most} more; --full lists them"] if most and len(paths) > most else []
    lines.append(f"{len(verdict.same)} files are what {folder}/provenance.json says.")
    if verdict.new:
        lines.append("`snakemake --cores all provenance` takes in what is new.")
    return "\n".join(lines) + "\n"
