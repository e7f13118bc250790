"""Restore the modification time of a file that was rewritten with the same bytes.

Snakemake deletes a job's outputs before it runs. A file restored unchanged from the cache would look new, and every
job that reads it would rerun.
"""

import os
from pathlib import Path

from parley.core.files import read_json, sha256_of, write_json


def record_of(path: str | Path) -> Path:
    """Return the hidden file, in the same folder, that stores the date and SHA-256 of a file."""
    path = Path(path)
    return path.parent / ".made" / f"{path.name}.json"


def keep_date(path: str | Path) -> bool:
    """Restore a file's recorded date if its bytes are unchanged; otherwise record its date and SHA-256.

    Returns
    -------
    bool
        False if a file of this name was recorded with other bytes.
    """
    record = record_of(path)
    sha256 = sha256_of(path)
    before = read_json(record) if record.exists() else None
    if before is not None and before["sha256"] == sha256:
        os.utime(path, ns=(before["mtime_ns"], before["mtime_ns"]))
        return True
    write_json(record, {"sha256": sha256, "mtime_ns": Path(path).stat().st_mtime_ns})
    return before is None
