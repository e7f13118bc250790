"""Damage: files that are no longer what the stage that made them put on record, which every stage that reads them asks.

A byte that a disk flips, a copy cut short, a file put in another's place would otherwise go on into the results without
a word: neither JSON nor TSV, nor HDF5 as other people's loaders read it, notices a changed number.
"""

from collections.abc import Iterable
from pathlib import Path

from parley.core.errors import Findings, ParleyError
from parley.core.files import sha256_of
from parley.provenance.hashing import files_of
from parley.provenance.records import Record, Records, record_path, workflow_path


def check_undamaged(paths: Iterable[str | Path]) -> None:
    """Stop where a file or folder is not what its record says; what has no record, as a person's own file, passes.

    All bytes are hashed, whatever the dates.

    Raises
    ------
    ParleyError
        With all that are damaged, records among them.
    """
    findings = Findings()
    by_root: dict[Path, Records] = {}
    for path in map(Path, paths):
        root, name = workflow_path(path)
        if not name or not path.exists():
            continue
        records = by_root.setdefault(root, Records(root))
        try:
            record = records.maker_of_folder(name) if path.is_dir() else records.maker_of(name)
        except ParleyError as error:
            findings.extend(error.findings)
            continue
        if record and _as_made(record, name) != _as_it_is(root, name):
            findings.add(
                f"{path} is damaged: its bytes are no longer those that the stage {record.rule} wrote. "
                "Remove it and run again: it is made anew. If you changed it on purpose, remove "
                f"{_record_file(root, record)} in its place."
            )
    findings.raise_if_any()


def _record_file(root: Path, record: Record) -> Path:
    """Return where a record lies, as short as it can be told."""
    return record_path(record) if root == Path.cwd() else root / record_path(record)


def _as_made(record: Record, name: str) -> dict[str, str]:
    """Return the SHA-256 of a file, or of each below a folder, by what its stage wrote."""
    return {one.path: one.sha256 for one in record.outputs if one.path == name or one.path.startswith(f"{name}/")}


def _as_it_is(root: Path, name: str) -> dict[str, str]:
    return {str(Path(path).relative_to(root)): sha256_of(path) for path in files_of(root / name)}
