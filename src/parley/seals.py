"""Seals: what the stage that made a file says its bytes are, and what every stage that reads it checks.

A byte that a disk flips, a copy cut short, a file put in another's place would otherwise go on into the results without
a word: neither JSON nor TSV, nor HDF5 as other people's loaders read it, notices a changed number.
"""

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from parley.dates import record_of
from parley.errors import Findings, ParleyError
from parley.files import read_json, sha256_of, write_json

logger = logging.getLogger(__name__)


def seal(paths: Iterable[str | Path], stage: str) -> None:
    """Write down the SHA-256 of files and folders, each beside it in `.made`; one that is not there has none.

    Parameters
    ----------
    paths
        What a stage has made.
    stage
        Its name, for messages.
    """
    for path in map(Path, paths):
        if path.exists():
            record = record_of(path)
            write_json(record, {**_known(record), "sha256": content_sha256(path), "stage": stage})


def refuse_damaged(paths: Iterable[str | Path]) -> None:
    """Stop where a sealed file is no longer what was sealed; what has no seal, as a person's own file, passes.

    Raises
    ------
    ParleyError
        With all that are damaged.
    """
    findings = Findings()
    for path in map(Path, paths):
        record = record_of(path)
        if not (path.exists() and record.is_file()):
            continue
        try:
            known = _sealed(record)
        except ParleyError as error:
            findings.extend(error.findings)
            continue
        if known["sha256"] != content_sha256(path):
            findings.add(
                f"{path} is damaged: its bytes are no longer those that the stage {known.get('stage', 'images')} "
                "wrote. Remove it and run again: it is made anew. If you changed it on purpose, remove "
                f"{record} in its place."
            )
    findings.raise_if_any()


def content_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes; of a folder, one of its files' names and bytes."""
    path = Path(path)
    if not path.is_dir():
        return sha256_of(path)
    whole = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        # Snakemake puts a file of its own, .snakemake_timestamp, into a folder that a job has made.
        if file.is_file() and not file.name.startswith(".snakemake"):
            whole.update(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n".encode())
    return whole.hexdigest()


def _known(record: Path) -> dict[str, Any]:
    """Return what a record says besides; nothing where it is not there or damaged itself."""
    try:
        return _sealed(record) if record.is_file() else {}
    except ParleyError as error:
        logger.warning("%s", error)
        return {}


def _sealed(record: Path) -> dict[str, Any]:
    known = read_json(record)
    if not isinstance(known, dict) or not isinstance(known.get("sha256"), str):
        raise ParleyError(f"{record} is damaged: it says no SHA-256; remove it and run again.")
    return known
