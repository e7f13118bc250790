"""Whether files are still what `provenance.json` says that they were."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from parley.core.files import sha256_of
from parley.core.progress import Progress
from parley.provenance.document import own_files, read_files
from parley.provenance.records import Records

logger = logging.getLogger(__name__)


@dataclass
class Verification:
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


def verify(folder: str | Path) -> Verification:
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
    result = Verification()
    # Files and not bytes: of large class sets there are tens of thousands of small ones.
    with Progress("Hashing", len(known) + len(others), "file") as progress:
        for path, facts in known.items():
            _check(path, facts, records, result)
            progress.advance()
        for path in others:
            made = _recorded(path, records)
            is_new = made is not None and made == _facts(path)
            (result.new if is_new else result.changed if made else result.unknown).append(path)
            progress.advance()
    return result


def _check(path: str, facts: tuple[int, str], records: Records, result: Verification) -> None:
    if not Path(path).expanduser().is_file():
        result.missing.append(path)
        return
    found = _facts(path)
    if found == facts:
        result.same.append(path)
    else:
        # Made again since: as its job left it, it is new and not changed.
        (result.new if found == _recorded(path, records) else result.changed).append(path)


def _recorded(path: str, records: Records) -> tuple[int, str] | None:
    """Return size and SHA-256 of a file as its job left it."""
    record = records.maker_of(path)
    made = record.output(path) if record else None
    return (made.bytes, made.sha256) if made else None


def _facts(path: str) -> tuple[int, str]:
    place = Path(path).expanduser()
    return place.stat().st_size, sha256_of(place)


def as_text(result: Verification, folder: str | Path, most: int | None = 10) -> str:
    """Return a result in sentences and lists; of each kind the first `most` paths, or all."""
    kinds: Mapping[str, list[str]] = {
        "changed: other bytes than were made": result.changed,
        "missing: was there when provenance.json was written": result.missing,
        "unknown: in the results folder, and made by nothing on record": result.unknown,
        "new: made since provenance.json was written, and as its job left it": result.new,
    }
    lines = []
    for kind, paths in kinds.items():
        if paths:
            lines.append(f"{len(paths)} {kind}")
            lines += [f"  {path}" for path in paths[:most]]
            lines += [f"  and {len(paths) - most} more; --full lists them"] if most and len(paths) > most else []
    lines.append(f"{len(result.same)} files are what {folder}/provenance.json says.")
    if result.new:
        lines.append("`snakemake --cores all provenance` takes in what is new.")
    return "\n".join(lines) + "\n"
