"""Trace an experiment's files back through the records of jobs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import FileRecord, Record, Records

DOCUMENT = "provenance.json"
NO_ARTEFACTS = ("logs", "benchmarks")
"""Subfolders of a results folder about jobs, which no job reads."""


@dataclass
class Artefact:
    """A file and the job that made it.

    Attributes
    ----------
    file
        The present file with its hash; None if it no longer exists.
    maker
        The job that last made a file of this name.
    """

    file: FileRecord | None
    maker: Record | None

    @property
    def as_made(self) -> bool:
        """Whether it is unchanged since its job."""
        made = self.maker.output(self.file.path) if self.maker and self.file else None
        return made is not None and self.file is not None and made.sha256 == self.file.sha256


@dataclass
class History:
    """Files and the jobs behind them.

    Attributes
    ----------
    artefacts
        By path: an experiment's own files and everything they were made from.
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
    """Return all jobs that contributed to files, directly or indirectly, by name, without hashing."""
    jobs: dict[str, Record] = {}
    waiting = list(paths)
    while waiting:
        maker = records.maker_of(waiting.pop())
        if maker and maker.name not in jobs:
            jobs[maker.name] = maker
            waiting += [one.path for one in maker.inputs]
    return jobs


def trace(paths: Iterable[str], records: Records, hashes: Hashes) -> History:
    """Trace files back to inputs without a record.

    Parameters
    ----------
    paths
        The files to trace.
    records, hashes
        Records and hashes of the working folder.
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
    """Yield files that jobs read and that no longer exist or now have another hash."""
    told = set()
    for job in history.jobs.values():
        for one in job.inputs:
            now = history.artefacts[one.path].file
            if (now is None or now.sha256 != one.sha256) and (one.path, one.sha256) not in told:
                told.add((one.path, one.sha256))
                yield one
