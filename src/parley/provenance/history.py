"""What an experiment's files were made of, as far back as jobs left it on record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import FileRecord, Record, Records

DOCUMENT = "provenance.json"
NO_ARTEFACTS = ("logs", "benchmarks")
"""Folders of a results folder that tell of jobs and are nothing that one makes anything of."""


@dataclass
class Artefact:
    """A file, and what is known of it.

    Attributes
    ----------
    file
        As it is now, with its hash; None where it is not there any more.
    maker
        The job that made the file of this name.
    """

    file: FileRecord | None
    maker: Record | None

    @property
    def as_made(self) -> bool:
        """Whether it is what its maker left."""
        made = self.maker.output(self.file.path) if self.maker and self.file else None
        return made is not None and self.file is not None and made.sha256 == self.file.sha256


@dataclass
class History:
    """Files and jobs.

    Attributes
    ----------
    artefacts
        By path: an experiment's own files and all that they were made of.
    jobs
        By name.
    """

    artefacts: dict[str, Artefact] = field(default_factory=dict)
    jobs: dict[str, Record] = field(default_factory=dict)


def own_files(folder: str | Path) -> list[str]:
    """Return the files of a results folder, without logs, benchmarks, hidden files and `provenance.json` itself."""
    folder = Path(folder)
    kept = [
        path
        for path in sorted(folder.iterdir())
        if path.name not in (*NO_ARTEFACTS, DOCUMENT) and not path.name.startswith(".")
    ]
    return [each for path in kept for each in files_of(path)]


def upstream_jobs(paths: Iterable[str], records: Records) -> dict[str, Record]:
    """Return the jobs that made files and all that these were made of, by name; nothing is hashed."""
    jobs: dict[str, Record] = {}
    waiting = list(paths)
    while waiting:
        maker = records.maker_of(waiting.pop())
        if maker and maker.name not in jobs:
            jobs[maker.name] = maker
            waiting += [one.path for one in maker.inputs]
    return jobs


def trace(paths: Iterable[str], records: Records, hashes: Hashes) -> History:
    """Follow files back to what nobody has on record.

    Parameters
    ----------
    paths
        Where to begin.
    records, hashes
        Where to look.
    """
    paths = list(paths)
    jobs = upstream_jobs(paths, records)
    read = (one.path for job in jobs.values() for one in job.inputs)
    found = {path: Artefact(_as_it_is(path, hashes), records.maker_of(path)) for path in dict.fromkeys([*paths, *read])}
    return History(found, jobs)


def _as_it_is(path: str, hashes: Hashes) -> FileRecord | None:
    try:
        return hashes.of(path)
    except FileNotFoundError:
        return None


def earlier_versions(history: History) -> Iterator[FileRecord]:
    """Yield what jobs read that is not there any more: of another hash than the file of its name has now."""
    told = set()
    for job in history.jobs.values():
        for one in job.inputs:
            now = history.artefacts[one.path].file
            if (now is None or now.sha256 != one.sha256) and (one.path, one.sha256) not in told:
                told.add((one.path, one.sha256))
                yield one
