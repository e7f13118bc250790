"""Keeping the date of a file that was made again with the same bytes.

Snakemake deletes a job's outputs before it runs, so a file that comes back unchanged from the cache
would look new, and all that was made of it would be made again.
"""

import os
from pathlib import Path

from parley.core.files import read_json, sha256_of, write_json


def record_of(path: str | Path) -> Path:
    """Return where the date and digest of a file are kept, beside it and out of sight."""
    path = Path(path)
    return path.parent / ".made" / f"{path.name}.json"


def keep_date(path: str | Path) -> bool:
    """Give a file the date that it had, if its bytes are those that it had then; else note both.

    Returns
    -------
    bool
        False where a file of this name was known with other bytes.
    """
    record = record_of(path)
    sha256 = sha256_of(path)
    before = read_json(record) if record.exists() else None
    if before is not None and before["sha256"] == sha256:
        os.utime(path, ns=(before["mtime_ns"], before["mtime_ns"]))
        return True
    write_json(record, {"sha256": sha256, "mtime_ns": Path(path).stat().st_mtime_ns})
    return before is None
