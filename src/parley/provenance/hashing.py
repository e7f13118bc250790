"""Compute the SHA-256 of files, with a cache for unchanged files, and detect damaged inputs of jobs."""

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from parley.core.errors import Findings, ParleyError
from parley.core.files import expand_home, read_json, sha256_of, write_json
from parley.provenance.records import FileRecord, Records, workflow_path

LATER_TOUCH_S = 60
"""Maximum time in seconds from the end of a job to Snakemake's update of the outputs' modification times."""


class Hashes:
    """SHA-256 of files. It is computed only if the file has changed, or is in neither the job records nor the cache.

    Parameters
    ----------
    records
        Records of jobs, which contain the hashes of outputs; None to ignore them.
    memory
        Path of a cache file that stores hashes between processes; None for no cache file.
    """

    def __init__(self, records: Records | None, memory: str | Path | None = None) -> None:
        self._records = records
        self._memory = Path(memory) if memory is not None else None
        # Size in bytes, modification time in ns and SHA-256, by path.
        self._known: dict[str, tuple[int, int, str]] = {}
        if self._memory is not None and self._memory.exists():
            self._known = {path: tuple(one) for path, one in read_json(self._memory).items()}
        self._used: dict[str, tuple[int, int, str]] = {}

    def of(self, path: str, role: str = "") -> FileRecord:
        """Return the hash, size and modification time of a file. Raise `FileNotFoundError` if it does not exist."""
        stat = expand_home(path).stat()
        known = self._known.get(path)
        if known is None or tuple(known[:2]) != (stat.st_size, stat.st_mtime_ns):
            sha256 = self._on_record(path, stat) or sha256_of(expand_home(path))
            known = (stat.st_size, stat.st_mtime_ns, sha256)
        self._known[path] = self._used[path] = known
        return FileRecord(path, role, stat.st_size, known[2], stat.st_mtime_ns, stat.st_ino)

    def save(self) -> None:
        """Write the hashes used by this object to the cache file, if there is one."""
        if self._memory is not None:
            write_json(self._memory, self._used)

    def _on_record(self, path: str, stat: os.stat_result) -> str | None:
        """Return the recorded hash of a file; None without a record, or if inode, size or time show a later change."""
        record = self._records.maker_of(path) if self._records else None
        made = record.output(path) if record else None
        if record is None or made is None or (made.inode, made.bytes) != (stat.st_ino, stat.st_size):
            return None
        latest_ns = (datetime.fromisoformat(record.ended).timestamp() + LATER_TOUCH_S) * 1e9
        return made.sha256 if made.mtime_ns <= stat.st_mtime_ns <= max(latest_ns, made.mtime_ns) else None


def files_of(path: str | Path) -> Iterator[str]:
    """Yield the path of a file, or the paths of all files below a folder in sorted order, except hidden files."""
    path = Path(path)
    if not path.is_dir():
        yield str(path)
        return
    for below, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (str(Path(below, name)) for name in sorted(names) if not name.startswith("."))


def check_undamaged(paths: Iterable[str | Path]) -> None:
    """Raise `ParleyError` if a file or folder differs from its record. Files without a record are not checked.

    Every stage checks its inputs. A flipped bit, a truncated copy or a replaced file would otherwise affect the results
    unnoticed, because JSON, TSV and HDF5 readers do not detect a changed number. All bytes are hashed, even if the
    modification times are unchanged.

    Raises
    ------
    ParleyError
        If a file or a record is damaged. The error lists all damaged files and records.
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
        if record is None:
            continue
        recorded = {one.path: one.sha256 for one in record.outputs if f"{one.path}/".startswith(f"{name}/")}
        found = {str(Path(file).relative_to(root)): sha256_of(file) for file in files_of(root / name)}
        if recorded != found:
            file = by_root[root].file_of(record)
            beside = file.relative_to(root) if root == Path.cwd() else file
            findings.add(
                f"{path} is damaged: its bytes are no longer those that the stage {record.rule} wrote. "
                f"Remove it and run again to make it again. If you changed it on purpose, remove {beside} instead."
            )
    findings.raise_if_any()
