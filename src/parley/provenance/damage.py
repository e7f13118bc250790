"""Detect damaged inputs: files whose bytes differ from those that their stage recorded. Every stage checks its inputs.

A flipped bit, a truncated copy or a replaced file would otherwise reach the results unnoticed: JSON, TSV and HDF5
readers do not detect a changed number.
"""

from collections.abc import Iterable
from pathlib import Path

from parley.core.errors import Findings, ParleyError
from parley.core.files import sha256_of
from parley.provenance.hashing import files_of
from parley.provenance.records import Record, Records, record_path, workflow_path


def check_undamaged(paths: Iterable[str | Path]) -> None:
    """Raise `ParleyError` if a file or folder differs from its record; files without a record, such as a user's, pass.

    All bytes are hashed, even if dates are unchanged.

    Raises
    ------
    ParleyError
        Names all damaged files, including damaged records.
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
                "Remove it and run again to make it again. If you changed it on purpose, remove "
                f"{_record_file(root, record)} instead."
            )
    findings.raise_if_any()


def _record_file(root: Path, record: Record) -> Path:
    """Return the path of a record, relative if it is in the working folder."""
    return record_path(record) if root == Path.cwd() else root / record_path(record)


def _as_made(record: Record, name: str) -> dict[str, str]:
    """Return the recorded SHA-256 of a file, or of each file below a folder."""
    return {one.path: one.sha256 for one in record.outputs if one.path == name or one.path.startswith(f"{name}/")}


def _as_it_is(root: Path, name: str) -> dict[str, str]:
    return {str(Path(path).relative_to(root)): sha256_of(path) for path in files_of(root / name)}
