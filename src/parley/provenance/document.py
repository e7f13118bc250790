"""Trace an experiment's files back through the records of jobs, and write `provenance.json` in W3C PROV-JSON.

In terms of PROV, each file is an entity, each job is an activity, and the software and the machine that ran a job are
agents. `provenance.json` has one line per entity, job, agent and relation, so that `grep` and `diff` work.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import digest_of, read_json, write_text
from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import FOLDER, FileRecord, Record, Records, experiment_of, json_by_line, moved

DOCUMENT = "provenance.json"
NO_ARTEFACTS = ("logs", "benchmarks")
"""Subfolders of a results folder with the logs and benchmarks of jobs. No job reads these folders."""
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

Files = Mapping[str, FileRecord | None]
"""Current hash and size of each file, by path; None if the file no longer exists."""


def write_provenance(folder: str | Path) -> None:
    """Write `provenance.json`, which lists the origin of every file in a results folder.

    Parameters
    ----------
    folder
        Results folder, ``results/<experiment>``. All paths, also in `provenance.json`, start at the working folder.
    """
    folder = Path(folder)
    records = Records()
    hashes = Hashes(records, folder / FOLDER / "hashes.json")
    document = _document(own_files(folder), records, hashes)
    write_text(folder / DOCUMENT, json_by_line(document, document))
    hashes.save()


def read_files(folder: str | Path) -> dict[str, tuple[int, str]]:
    """Return the size in bytes and the SHA-256 of every file that `provenance.json` lists as existing, by path.

    In a copy of an experiment, ``results/<other name>``, the paths of the experiment's files are those in the copy.

    Raises
    ------
    ParleyError
        If `provenance.json` is missing or damaged.
    """
    path = Path(folder) / DOCUMENT
    if not path.is_file():
        raise ParleyError(f"{path} does not exist; run `uv run snakemake --cores all provenance` to make it.")
    try:
        entities = read_json(path)["entity"]
        known = {
            name.removeprefix("path:"): (one["parley:bytes"], one["parley:sha256"])
            for name, one in entities.items()
            if one["parley:state"] != GONE
        }
        if not all(isinstance(size, int) and isinstance(sha256, str) for size, sha256 in known.values()):
            raise TypeError
    except (KeyError, TypeError, AttributeError) as error:
        raise ParleyError(
            f"{path} does not list files with their sizes and hashes; remove it and run "
            "`uv run snakemake --cores all provenance`."
        ) from error
    old = described_folder(known, str(folder))
    return {moved(name, old, str(folder)): facts for name, facts in known.items()}


def described_folder(known: Iterable[str], folder: str) -> str:
    """Return the experiment's folder that the paths in a `provenance.json` describe: another one in a copied folder."""
    counts = Counter(filter(None, map(experiment_of, known)))
    return folder if folder in counts or not counts else counts.most_common(1)[0][0]


def own_files(folder: str | Path) -> list[str]:
    """Return all files below a results folder, except logs, benchmarks, hidden files and `provenance.json`."""
    folder = Path(folder)
    kept = [
        path
        for path in sorted(folder.iterdir())
        if path.name not in (*NO_ARTEFACTS, DOCUMENT) and not path.name.startswith(".")
    ]
    return [each for path in kept for each in files_of(path)]


def upstream_jobs(paths: Iterable[str], records: Records) -> dict[str, Record]:
    """Return the records of all jobs that directly or indirectly contributed to the given files, by record name."""
    jobs: dict[str, Record] = {}
    waiting = list(paths)
    while waiting:
        maker = records.maker_of(waiting.pop())
        if maker and maker.name not in jobs:
            jobs[maker.name] = maker
            waiting += [one.path for one in maker.inputs]
    return jobs


def _document(paths: list[str], records: Records, hashes: Hashes) -> dict[str, dict[str, Any]]:
    """Return the sections of PROV-JSON for the given files and their history, back to inputs without a record."""
    jobs = [job for _, job in sorted(upstream_jobs(paths, records).items())]
    inputs = [one for job in jobs for one in job.inputs]
    files = {path: _present(path, hashes) for path in sorted({*paths, *(one.path for one in inputs)})}
    entities = {f"path:{path}": _entity(file, records.maker_of(path)) for path, file in files.items()}
    for one in inputs:
        if not _is_present(one, files):
            entities[_version(one)] = {"parley:sha256": one.sha256, "parley:bytes": one.bytes, "parley:state": GONE}
    agents = {name: agent for job in jobs for name, agent in _agents(job).items()}
    # A file that was changed after its job is not listed as generated by the job.
    made = {path: records.maker_of(path) for path in files if entities[f"path:{path}"]["parley:state"] == AS_MADE}
    return {
        "prefix": PREFIXES,
        "entity": dict(sorted(entities.items())),
        "activity": {f"job:{job.name}": _activity(job) for job in jobs},
        "agent": dict(sorted(agents.items())),
        "wasGeneratedBy": _numbered(
            "g",
            ({"prov:entity": f"path:{path}", "prov:activity": f"job:{job.name}"} for path, job in made.items() if job),
        ),
        "used": _numbered("u", (one for job in jobs for one in _usages(job, files))),
        "wasAssociatedWith": _numbered(
            "a", ({"prov:activity": f"job:{job.name}", "prov:agent": name} for job in jobs for name in _agents(job))
        ),
    }


def _present(path: str, hashes: Hashes) -> FileRecord | None:
    try:
        return hashes.of(path)
    except FileNotFoundError:
        return None


def _is_present(read: FileRecord, files: Files) -> bool:
    """Return whether a file still has the hash that it had when a job read it."""
    now = files[read.path]
    return now is not None and now.sha256 == read.sha256


def _entity(file: FileRecord | None, maker: Record | None) -> dict[str, Any]:
    if file is None:
        return {"parley:state": GONE}
    made = maker.output(file.path) if maker else None
    state = NO_RECORD if maker is None else AS_MADE if made and made.sha256 == file.sha256 else CHANGED
    return {"parley:sha256": file.sha256, "parley:bytes": file.bytes, "parley:state": state}


def _version(file: FileRecord) -> str:
    """Return the PROV entity id of an earlier version of a file, which a job read but which no longer exists."""
    return f"path:{file.path}@{file.sha256[:12]}"


def _activity(job: Record) -> dict[str, Any]:
    values = {
        "rule": job.rule,
        "code": job.code,
        "threads": job.threads,
        "device": job.device,
        **{f"wildcard.{key}": value for key, value in job.wildcards.items()},
        **{f"param.{key}": value for key, value in job.params.items()},
        **{f"config.{key}": value for key, value in job.config.items()},
        **job.usage,
    }
    seeds = _seeds_of(job)
    return {
        "prov:startTime": job.started,
        "prov:endTime": job.ended,
        **({"parley:seeds": seeds} if seeds else {}),
        # PROV-JSON allows no lists and mappings, so they are converted to JSON text.
        **{
            f"parley:{key}": value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
            for key, value in values.items()
        },
    }


def _seeds_of(job: Record) -> list[int]:
    if "seed" in job.wildcards:
        return [int(job.wildcards["seed"])]
    runs = job.params.get("runs", [])
    from_runs = [run["seed"] for run in runs if isinstance(run, dict) and "seed" in run]
    given = job.params.get("seeds", [job.params["seed"]] if "seed" in job.params else [])
    return from_runs or list(given)


def _agents(job: Record) -> dict[str, Any]:
    software = {"parley": job.parley, "commit": job.commit or "unknown", **job.packages}
    return {
        f"software:{digest_of(software, 8)}": {
            "prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"},
            **{f"parley:{key}": value for key, value in software.items()},
        },
        f"machine:{digest_of(job.machine, 8)}": {f"parley:{key}": value for key, value in job.machine.items()},
    }


def _usages(job: Record, files: Files) -> Iterator[dict[str, str]]:
    for one in job.inputs:
        entity = f"path:{one.path}" if _is_present(one, files) else _version(one)
        yield {"prov:activity": f"job:{job.name}", "prov:entity": entity, "prov:role": one.role}


def _numbered(letter: str, relations: Iterable[dict[str, str]]) -> dict[str, Any]:
    return {f"_:{letter}{number}": one for number, one in enumerate(relations, 1)}
