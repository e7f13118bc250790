"""`parley verify`: check whether files are still as `provenance.json` describes them."""

import logging
from pathlib import Path
from typing import NamedTuple

from parley.core.files import sha256_of
from parley.core.progress import Progress
from parley.provenance.document import own_files, read_files
from parley.provenance.records import Records

logger = logging.getLogger(__name__)


class Verification(NamedTuple):
    """The paths of an experiment's files and of all their inputs, by state.

    Attributes
    ----------
    same, changed, missing
        Files of `provenance.json` with the same bytes, with other bytes, or not found.
    new
        Made by the workflow since `provenance.json` was written, and unchanged since their jobs.
    unknown
        In the results folder, and without a record.
    """

    same: list[str]
    changed: list[str]
    missing: list[str]
    new: list[str]
    unknown: list[str]

    @property
    def holds(self) -> bool:
        """Whether no file is changed, missing or unknown."""
        return not (self.changed or self.missing or self.unknown)


def verify(folder: str | Path) -> Verification:
    """Hash every file that an experiment's `provenance.json` lists, and look for others.

    Parameters
    ----------
    folder
        ``results/<e>``, relative to the working folder, as are the paths in the file.

    Raises
    ------
    ParleyError
        If `provenance.json` is missing or damaged.
    """
    known = read_files(folder)
    records = Records()
    paths = [*known, *(path for path in own_files(folder) if path not in known)]
    result = Verification([], [], [], [], [])
    # Counted in files and not bytes: large class sets have tens of thousands of small files.
    with Progress("Hashing", len(paths), "file") as progress:
        for path in paths:
            getattr(result, _state_of(path, known.get(path), records)).append(path)
            progress.advance()
    return result


def _state_of(path: str, known: tuple[int, str] | None, records: Records) -> str:
    """Return the field of `Verification` for a file; `known` is its size and SHA-256 in `provenance.json`, if any."""
    file = Path(path).expanduser()
    if known and not file.is_file():
        return "missing"
    found = file.stat().st_size, sha256_of(file)
    if found == known:
        return "same"
    record = records.maker_of(path)
    made = record.output(path) if record else None
    if made and found == (made.bytes, made.sha256):
        return "new"
    return "changed" if known or made else "unknown"


def as_text(result: Verification, folder: str | Path, most: int | None = 10) -> str:
    """Return a result in sentences and lists; of each kind the first `most` paths, or all."""
    lines = []
    for paths, kind in (
        (result.changed, "changed: not the bytes that their jobs wrote"),
        (result.missing, "missing: existed when provenance.json was written"),
        (result.unknown, "unknown: in the results folder, without a record"),
        (result.new, "new: made since provenance.json was written, and unchanged since"),
    ):
        if paths:
            lines.append(f"{len(paths)} {kind}")
            lines += [f"  {path}" for path in paths[:most]]
            lines += [f"  and {len(paths) - most} more; --full lists them"] if most and len(paths) > most else []
    lines.append(f"{len(result.same)} files are as {folder}/provenance.json describes them.")
    if result.new:
        lines.append("Run `snakemake --cores all provenance` to add the new files to provenance.json.")
    return "\n".join(lines) + "\n"
