"""Who is at work in a folder: a lock that a process leaves behind at no death, however sudden.

Snakemake's own lock is a file that stays when its process is killed, and then a person has to remove it. Here each
process holds the kernel's lock on a record of its own, and the kernel lets go of it when the process ends. A record
whose lock can be had is of a process that no longer lives. Nobody ever removes a record that is held.
"""

import errno
import fcntl
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

FOLDER = Path(".snakemake/parley/running")
"""Below the folder that is worked in."""
_UNKNOWN = {**dict.fromkeys(("host", "boot", "since", "what", "role"), "?"), "pid": 0, "outputs": [], "inputs": []}


class Record(NamedTuple):
    """What a process says of itself, and whether it lives."""

    path: Path
    values: dict[str, Any]
    alive: bool

    def __str__(self) -> str:
        values = self.values
        return f"process {values['pid']} on {values['host']} ({values['what']}), at work since {values['since']}"


class LockHandle:
    """A record held by this process, until `close` or its end."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor

    def close(self) -> None:
        """Remove the record, if that has not been done."""
        if self._descriptor < 0:
            return
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1


def register_job(what: str, outputs: Iterable[str], folder: str | Path = FOLDER) -> LockHandle:
    """Say that this process is at work, without asking who else is.

    Parameters
    ----------
    what
        What it does, for messages.
    outputs
        What it may write.
    folder
        Where records lie.
    """
    with _exclusive(Path(folder)) as records:
        return _write_record(records, what, "job", set(outputs), set())


def acquire(
    what: str, inputs: Iterable[str], outputs: Iterable[str], folder: str | Path = FOLDER
) -> tuple[LockHandle, bool]:
    """Say that this process is at work, where no living one writes what it reads or writes, or reads what it writes.

    Parameters
    ----------
    what, outputs, folder
        As in `register_job`.
    inputs
        What it reads.

    Returns
    -------
    lock
        To be closed at the end.
    alone
        Whether nobody else is at work here, on whatever files.

    Raises
    ------
    ParleyError
        Where another process is in the way; it names it.
    """
    reads, writes = set(inputs), set(outputs)
    with _exclusive(Path(folder)) as records:
        others = list(_live_records(records))
        conflicts = [
            other
            for other in others
            if writes & {*other.values["outputs"], *other.values["inputs"]} or reads & set(other.values["outputs"])
        ]
        if conflicts:
            raise ParleyError([_conflict_message(other) for other in conflicts])
        return _write_record(records, what, "run", writes, reads), not others


def active_records(outputs: Iterable[str], folder: str | Path = FOLDER) -> list[Record]:
    """Return the records of living processes that write some of these files; nothing is written or removed.

    Parameters
    ----------
    outputs, folder
        As in `register_job`.
    """
    asked = set(outputs)
    return [
        record
        for record in _all_records(Path(folder))
        if (record.alive or not _is_dead(record)) and asked.intersection(record.values["outputs"])
    ]


def _conflict_message(other: Record) -> str:
    if other.alive:
        return (
            f"Another {other} writes or reads the same files; let it finish, or end it, and run again. "
            "Nothing has been changed."
        )
    return (
        f"There is a record of {other}, which may still write the same files; from this machine that cannot be known. "
        f"If it no longer runs, remove {other.path} and run again."
    )


@contextmanager
def _exclusive(folder: Path) -> Iterator[Path]:
    """Give the folder of the records while no other process looks at it or adds to it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".order").open("a") as stream:
        with suppress(OSError):  # A file system without locks: `_is_alive` asks for the processes then.
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield folder


def _write_record(folder: Path, what: str, role: str, outputs: Collection[str], inputs: Collection[str]) -> LockHandle:
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
    # Not inherited by the processes that this one starts: they have records of their own.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
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
    lock, content = LockHandle(path, descriptor), json.dumps(values).encode()
    try:
        if os.write(descriptor, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        lock.close()
        raise ParleyError(f"{path} cannot be written ({error.strerror}); make room and run again.") from error
    return lock


def _live_records(folder: Path) -> Iterator[Record]:
    """Yield the records of all processes that live or may live, and remove those of the dead."""
    for record in _all_records(folder):
        if record.alive or not _is_dead(record):
            yield record
        else:
            record.path.unlink(missing_ok=True)


def _all_records(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob("*.json")):
        with suppress(FileNotFoundError), path.open("rb") as stream:  # Its process may just have ended.
            values = {**_UNKNOWN, **_parse(stream.read())}
            yield Record(path, values, _is_alive(stream.fileno(), values))


def _is_alive(descriptor: int, values: dict[str, Any]) -> bool:
    """Whether somebody holds the lock on a record; where the file system has none, whether the process is there."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return values["host"] == socket.gethostname() and _is_running(values["pid"])
    return False


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # Another person's.
        return True
    return True


def _parse(content: bytes) -> dict[str, Any]:
    """Return what a record says; nothing where its process was killed, or ran out of room, before it was written."""
    try:
        values = json.loads(content)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _is_dead(record: Record) -> bool:
    """Whether a record that nobody holds is of a dead process; of another machine's that is not certain.

    A network file system may keep locks to each machine. Containers of one machine share a kernel, whatever their name.
    A job on another machine is a cluster's, of which Snakemake itself knows whether it still runs: many a cluster ends
    its jobs by a kill, and no person should have to tidy up after each.
    """
    if record.values["role"] == "job":
        return True
    boot, host = record.values["boot"], record.values["host"]
    return host in (socket.gethostname(), "?") or (boot != "" and boot == _boot_id())


def _boot_id() -> str:
    """Return what tells this kernel from others, and from itself before a restart; empty where it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
