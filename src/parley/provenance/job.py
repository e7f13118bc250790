"""A job of the workflow puts on record what it did."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from parley import __version__
from parley.provenance import environment
from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import COMMIT, FileRecord, Record, Records, write_record

Roles = Mapping[str, Sequence[str]]
"""Paths by their name among a rule's inputs or outputs."""


class TrackedConfig(dict[str, Any]):
    """A config that notes which of its sections are read."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def read_sections(self) -> dict[str, Any]:
        """Return the sections that were read."""
        return {key: self[key] for key in sorted(self.read)}


def record_job(
    rule: str,
    wildcards: Mapping[str, str],
    inputs: Roles,
    outputs: Roles,
    params: Mapping[str, Any],
    config: Mapping[str, Any],
    threads: int,
    script: str | Path,
) -> Path:
    """Write down what a job that has just ended well did, and return where.

    Parameters
    ----------
    rule, wildcards
        Which job.
    inputs, outputs
        Its files and folders.
    params
        All its params; `code` among them is the digest of its code. Where there is none, it is taken of the script.
    config
        Sections of the config that it read besides.
    threads
        That it was given.
    script
        Path of its script.
    """
    usage = environment.usage()
    ended = datetime.now(UTC)
    values = dict(params)
    code = values.pop("code", None) or _code_of(script)
    return write_record(
        Record(
            rule=rule,
            wildcards=dict(wildcards),
            started=_moment(ended - timedelta(seconds=usage["wall_s"])),
            ended=_moment(ended),
            inputs=tuple(_found(inputs, Hashes(Records()))),
            outputs=tuple(_left(outputs)),
            params=values,
            config=config,
            code=code,
            commit=os.environ.get(COMMIT, ""),
            packages=environment.packages(),
            machine=environment.machine(),
            device=environment.device(),
            usage=usage,
            threads=threads,
            parley=__version__,
        )
    )


def _code_of(script: str | Path) -> str:
    # Only of a fetch: to parse is slower than to look for what the params say.
    from parley.runtime.code_digest import SOURCES, Sources, stage_digest

    return stage_digest(script, Sources(SOURCES))


def _found(inputs: Roles, hashes: Hashes) -> Iterator[FileRecord]:
    for role, paths in inputs.items():
        for path in paths:
            yield from (hashes.of(each, role) for each in files_of(path))


def _left(outputs: Roles) -> Iterator[FileRecord]:
    """Yield outputs with the hash of what lies there now: no earlier record may tell of it."""
    afresh = Hashes(None)
    for role, paths in outputs.items():
        for path in paths:
            yield from (afresh.of(each, role) for each in files_of(path))


def _moment(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
