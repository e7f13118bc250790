"""Advisory file locks on the files of an experiment, released even if the process is killed.

Snakemake's own lock is a file that remains when its process is killed and must then be removed by hand. Here each
process writes a record and takes the kernel's lock (flock) on it, which the kernel releases when the process ends. A
record that is not locked belongs to a dead process. A locked record is never removed.
"""

import errno
import json
import os
import secrets
import socket
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from parley.core.errors import ParleyError
from parley.core.locks import is_locked, lock

FOLDER = Path(".snakemake/parley/running")
"""Folder that contains the records, relative to the working folder."""
_EXCLUSIVE = "sole"
"""Role of a process with which every other conflicts; those of the others are `run` and `job`."""
_UNKNOWN = {**dict.fromkeys(("host", "boot", "since", "what", "role"), "?"), "pid": 0, "outputs": [], "inputs": []}


class Record(NamedTuple):
    """Record of a process: its file, its content, and whether the process is alive."""

    path: Path
    values: dict[str, Any]
    alive: bool

    def __str__(self) -> str:
        values = self.values
        return f"process {values['pid']} on {values['host']} ({values['what']}), running since {values['since']}"


class LockHandle:
    """A locked record of this process; the lock lasts until `close` or the end of the process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor

    def close(self) -> None:
        """Remove the record and release its lock; later calls do nothing."""
        if self._descriptor < 0:
            return
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1


def register_job(what: str, outputs: Iterable[str], folder: str | Path = FOLDER) -> LockHandle:
    """Lock the outputs of a job of the workflow. Conflicts with other processes are not checked.

    Parameters
    ----------
    what
        Description of the process, for error messages.
    outputs
        Files that the process may write.
    folder
        Folder of the records.
    """
    with _exclusive(Path(folder)) as records:
        return _write_record(records, what, "job", set(outputs), set())


def acquire(
    what: str, inputs: Iterable[str], outputs: Iterable[str], folder: str | Path = FOLDER
) -> tuple[LockHandle, bool]:
    """Lock the inputs and outputs of this process, unless they conflict with those of a live process.

    Two processes conflict if one of them writes a file that the other reads or writes.

    Parameters
    ----------
    what, outputs, folder
        As in `register_job`.
    inputs
        Files that the process reads.

    Returns
    -------
    LockHandle
        The lock, which the caller closes at the end.
    bool
        True if no other process has a record in `folder`, not even one that uses other files.

    Raises
    ------
    ParleyError
        If another process conflicts; the message names that process.
    """
    reads, writes = set(inputs), set(outputs)
    with _exclusive(Path(folder)) as records:
        others = list(_live_records(records))
        conflicts = [
            other
            for other in others
            if writes & {*other.values["outputs"], *other.values["inputs"]}
            or reads & set(other.values["outputs"])
            or other.values["role"] == _EXCLUSIVE
        ]
        if conflicts:
            raise ParleyError([_conflict_message(other) for other in conflicts])
        return _write_record(records, what, "run", writes, reads), not others


def acquire_all(what: str, folder: str | Path = FOLDER) -> LockHandle:
    """Lock all files of the working folder, unless another process of the workflow is alive.

    The parameters, except the files, and the errors are those of `acquire`, which fails while this lock lasts.
    """
    with _exclusive(Path(folder)) as records:
        if conflicts := [_conflict_message(other) for other in _live_records(records)]:
            raise ParleyError(conflicts)
        return _write_record(records, what, _EXCLUSIVE, set(), set())


def active_records(outputs: Iterable[str]) -> list[Record]:
    """Return the records of processes that may be alive and that write any of `outputs`. No record is changed."""
    wanted = set(outputs)
    return [
        record
        for record in _all_records(FOLDER)
        if (record.alive or not _is_dead(record)) and wanted.intersection(record.values["outputs"])
    ]


def _conflict_message(other: Record) -> str:
    if other.alive:
        return (
            f"Another {other} writes or reads the same files; let it finish, or end it, and run again. "
            "Nothing has been changed."
        )
    return (
        f"There is a record of {other}, which may still write the same files; "
        "this machine cannot tell whether it is still running. "
        f"If it no longer runs, remove {other.path} and run again."
    )


@contextmanager
def _exclusive(folder: Path) -> Iterator[Path]:
    """Yield the folder of the records, with exclusive access to it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".order").open("a") as stream:
        lock(stream)  # If the file system has no locks, `_is_alive` checks the process id.
        yield folder


def _write_record(folder: Path, what: str, role: str, outputs: Collection[str], inputs: Collection[str]) -> LockHandle:
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
    # O_CLOEXEC: programs that this process starts do not inherit the lock, so it ends with this process.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    lock(descriptor)
    values = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot": _boot_id(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "what": what,
        "role": role,
        "outputs": sorted(outputs),
        "inputs": sorted(inputs),
    }
    handle, content = LockHandle(path, descriptor), json.dumps(values).encode()
    try:
        if os.write(descriptor, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        handle.close()
        raise ParleyError(f"{path} cannot be written ({error.strerror}); free disk space and run again.") from error
    return handle


def _live_records(folder: Path) -> Iterator[Record]:
    """Yield the records of processes that are or may be alive; remove the records of dead processes."""
    for record in _all_records(folder):
        if record.alive or not _is_dead(record):
            yield record
        else:
            record.path.unlink(missing_ok=True)


def _all_records(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob("*.json")):
        with suppress(FileNotFoundError):  # The owner may just have removed it.
            values = {**_UNKNOWN, **_parse(path.read_bytes())}
            yield Record(path, values, _is_alive(path, values))


def _is_alive(path: Path, values: dict[str, Any]) -> bool:
    """Return whether a record is locked; on a file system without locks, whether its process runs on this machine."""
    if (locked := is_locked(path)) is not None:
        return locked
    return values["host"] == socket.gethostname() and _is_running(values["pid"])


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # The process exists, but belongs to another user.
        return True
    return True


def _parse(content: bytes) -> dict[str, Any]:
    """Parse a record; return {} if it is incomplete, because its process was killed or the disk was full."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _is_dead(record: Record) -> bool:
    """Return whether the process that wrote a record without a lock is dead, as far as this machine can tell.

    A network file system may keep locks local to each machine, so the process of another machine may be running.
    Containers on one machine share a kernel, and thus the boot id, even if their host names differ. A job's record is
    an exception and counts as dead: a job on another machine was started by a cluster, where Snakemake tracks it.
    Clusters often kill jobs, and users should not have to remove the jobs' records.
    """
    if record.values["role"] == "job":
        return True
    boot, host = record.values["boot"], record.values["host"]
    return host in (socket.gethostname(), "?") or (boot != "" and boot == _boot_id())


def _boot_id() -> str:
    """Return the kernel's id of the current boot; an empty string if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
