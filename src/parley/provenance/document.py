"""Trace an experiment's files back through the records of jobs, and write `provenance.json` in W3C PROV-JSON.

An entity is a file, an activity a job, an agent the software or the machine that ran it. Each relation is one line,
so that `grep` and `diff` work.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import digest_of, read_json, write_text
from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import FOLDER, FileRecord, Record, Records

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


PREFIXES = {
    "prov": "http://www.w3.org/ns/prov#",
    "parley": "urn:parley:",
    "path": "urn:parley:path:",
    "job": "urn:parley:job:",
    "software": "urn:parley:software:",
    "machine": "urn:parley:machine:",
}
AS_MADE = "as its job left it"
CHANGED = "changed since its job made it"
NO_RECORD = "made by nothing on record"
GONE = "not here any more"

Document = dict[str, dict[str, Any]]


def write_provenance(folder: str | Path) -> None:
    """Write down where every file of a results folder comes from.

    Parameters
    ----------
    folder
        ``results/<e>``; paths are relative to the working folder, as the workflow's are.
    """
    folder = Path(folder)
    records = Records()
    hashes = Hashes(records, folder / FOLDER / "hashes.json")
    history = trace(own_files(folder), records, hashes)
    write_text(folder / DOCUMENT, as_text(document_of(history)))
    hashes.save()


def read_files(folder: str | Path) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of every file that `provenance.json` found, by path.

    Raises
    ------
    ParleyError
        When there is none, or it is damaged.
    """
    path = Path(folder) / DOCUMENT
    if not path.is_file():
        raise ParleyError(f"{path} does not exist; run `snakemake --cores all provenance` to make it.")
    try:
        entities = read_json(path)["entity"]
        return {
            name.removeprefix("path:"): (one["parley:bytes"], one["parley:sha256"])
            for name, one in entities.items()
            if one["parley:state"] != GONE
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ParleyError(f"{path} is not what Parley writes ({error}); remove it and make it again.") from error


def document_of(history: History) -> Document:
    """Return a history in the terms of PROV-JSON, everything in the order of its name."""
    jobs = [history.jobs[name] for name in sorted(history.jobs)]
    files = sorted(history.artefacts.items())
    gone = list(earlier_versions(history))
    return {
        "prefix": PREFIXES,
        "entity": dict(sorted({**{f"path:{path}": _entity(one) for path, one in files}, **_gone(gone)}.items())),
        "activity": {f"job:{job.name}": _activity(job) for job in jobs},
        "agent": dict(sorted({name: one for job in jobs for name, one in _agents(job).items()}.items())),
        "wasGeneratedBy": _numbered("g", _generations(files)),
        "used": _numbered("u", (one for job in jobs for one in _usages(job, history))),
        "wasAssociatedWith": _numbered(
            "a", ({"prov:activity": f"job:{job.name}", "prov:agent": name} for job in jobs for name in _agents(job))
        ),
    }


def _entity(artefact: Artefact) -> dict[str, Any]:
    file = artefact.file
    if file is None:
        return {"parley:state": GONE}
    state = NO_RECORD if artefact.maker is None else AS_MADE if artefact.as_made else CHANGED
    return {"parley:sha256": file.sha256, "parley:bytes": file.bytes, "parley:state": state}


def _gone(files: Iterable[FileRecord]) -> dict[str, Any]:
    facts = {_version(one): {"parley:sha256": one.sha256, "parley:bytes": one.bytes} for one in files}
    return {name: {**one, "parley:state": GONE} for name, one in facts.items()}


def _version(file: FileRecord) -> str:
    return f"path:{file.path}@{file.sha256[:12]}"


def _activity(job: Record) -> dict[str, Any]:
    values = {
        **{f"wildcard.{key}": value for key, value in job.wildcards.items()},
        **{f"param.{key}": value for key, value in job.params.items()},
        **{f"config.{key}": value for key, value in job.config.items()},
        **job.usage,
    }
    told = {"rule": job.rule, "code": job.code, "threads": job.threads, "device": job.device}
    seeds = seeds_of(job)
    return {
        "prov:startTime": job.started,
        "prov:endTime": job.ended,
        **({"parley:seeds": seeds} if seeds else {}),
        **{f"parley:{key}": _literal(value) for key, value in {**told, **values}.items()},
    }


def seeds_of(job: Record) -> list[int]:
    """Return the seeds that a job's randomness came from."""
    if "seed" in job.wildcards:
        return [int(job.wildcards["seed"])]
    runs = job.params.get("runs", [])
    from_runs = [run["seed"] for run in runs if isinstance(run, dict) and "seed" in run]
    given = job.params.get("seeds", [job.params["seed"]] if "seed" in job.params else [])
    return from_runs or list(given)


def _literal(value: Any) -> Any:
    """Return a value as PROV-JSON may hold it: a list or a mapping as its JSON."""
    return value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)


def _agents(job: Record) -> dict[str, Any]:
    software = {"parley": job.parley, "commit": job.commit or "unknown", **job.packages}
    return {
        f"software:{digest_of(software, 8)}": {
            "prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"},
            **{f"parley:{key}": value for key, value in software.items()},
        },
        f"machine:{digest_of(job.machine, 8)}": {f"parley:{key}": value for key, value in job.machine.items()},
    }


def _generations(files: Iterable[tuple[str, Artefact]]) -> Iterator[dict[str, str]]:
    for path, one in files:
        # A file that was changed since is nothing that its job generated.
        if one.maker is not None and one.as_made:
            yield {"prov:entity": f"path:{path}", "prov:activity": f"job:{one.maker.name}"}


def _usages(job: Record, history: History) -> Iterator[dict[str, str]]:
    for one in job.inputs:
        now = history.artefacts[one.path].file
        entity = f"path:{one.path}" if now is not None and now.sha256 == one.sha256 else _version(one)
        yield {"prov:activity": f"job:{job.name}", "prov:entity": entity, "prov:role": one.role}


def _numbered(letter: str, relations: Iterable[dict[str, str]]) -> dict[str, Any]:
    return {f"_:{letter}{number}": one for number, one in enumerate(relations, 1)}


def as_text(document: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a document as JSON, a line an entity, an activity or a relation."""
    sections = []
    for name, entries in document.items():
        lines = ",\n".join(
            f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items()
        )
        sections.append(f'"{name}": {{\n{lines}\n}}')
    return "{\n" + ",\n".join(sections) + "\n}\n"
