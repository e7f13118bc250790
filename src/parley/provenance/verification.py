"""Check whether files still match their description in `provenance.json` (`parley verify`)."""

from pathlib import Path
from typing import NamedTuple

from parley.core.files import expand_home, sha256_of
from parley.core.installation import as_typed
from parley.core.progress import Progress
from parley.provenance.document import own_files, read_files, upstream_jobs
from parley.provenance.records import PLUGINS, Records


class Verification(NamedTuple):
    """The paths of an experiment's files and of all their inputs, by state.

    Attributes
    ----------
    same
        Files whose content matches `provenance.json`.
    changed
        Files whose content matches neither `provenance.json` nor the record of the job that made the file.
    missing
        Files that `provenance.json` lists but that do not exist.
    new
        Files that the workflow made after `provenance.json` was written, and that match the record of their job.
    unknown
        Files in the results folder that are not listed in `provenance.json` and have no record.
    edited
        Files of plug-ins whose content does not match `provenance.json`.
    """

    same: list[str]
    changed: list[str]
    missing: list[str]
    new: list[str]
    unknown: list[str]
    edited: list[str]

    @property
    def holds(self) -> bool:
        """True if no file is changed, missing, unknown or edited."""
        return not (self.changed or self.missing or self.unknown or self.edited)


def verify(folder: str | Path) -> Verification:
    """Compare every file in an experiment's `provenance.json` with its recorded hash, and find files not listed there.

    Parameters
    ----------
    folder
        Results folder, ``results/<experiment>``. All paths, also in `provenance.json`, start at the working folder.

    Raises
    ------
    ParleyError
        If `provenance.json` is missing or damaged.
    """
    known = read_files(folder)
    records = Records()
    paths = [*known, *(path for path in own_files(folder) if path not in known)]
    result = Verification([], [], [], [], [], [])
    # Progress is shown in files, not bytes, because large class sets have tens of thousands of small files.
    with Progress("Hashing", len(paths), "file") as progress:
        for path in paths:
            getattr(result, _state_of(path, known.get(path), records)).append(path)
            progress.advance()
    if result.changed:
        plugins = {
            one.path for job in upstream_jobs(known, records).values() for one in job.inputs if one.role == PLUGINS
        }
        result.edited.extend(path for path in result.changed if path in plugins)
        result.changed[:] = [path for path in result.changed if path not in plugins]
    return result


def _state_of(path: str, known: tuple[int, str] | None, records: Records) -> str:
    """Return the state of a file. `known`: the size and SHA-256 in `provenance.json`; None for an unlisted file."""
    file = expand_home(path)
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
    """Return a result as text, with at most `most` paths of each state, or all paths if `most` is None."""
    lines = []
    for paths, kind in (
        (result.changed, "changed: not the bytes that their jobs wrote"),
        (
            result.edited,
            "edited: a plug-in was edited after jobs ran it; comments do not matter, and `uv run parley status` "
            "names the parts that changed",
        ),
        (result.missing, "missing: existed when provenance.json was written"),
        (result.unknown, "unknown: in the results folder, without a record"),
        (result.new, "new: made by a job after provenance.json was written, and not changed since that job"),
    ):
        if paths:
            lines.append(as_typed(f"{len(paths)} {kind}"))
            lines += [f"  {path}" for path in paths[:most]]
            lines += [f"  and {len(paths) - most} more; --full lists them"] if most and len(paths) > most else []
    if result.new:
        lines.append(as_typed("Run `uv run snakemake --cores all provenance` to add the new files to provenance.json."))
    wrong = len(result.changed) + len(result.missing) + len(result.unknown) + len(result.edited)
    differ = f"; {wrong} {'does' if wrong == 1 else 'do'} not" if wrong else ""
    lines.append(f"{len(result.same)} files match {folder}/provenance.json{differ}.")
    return "\n".join(lines) + "\n"
