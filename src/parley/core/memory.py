"""How much memory a process may still take: what the machine has free, and what its control groups leave it.

A job of a cluster or in a container is ended when its group takes more than its limit, however much the machine has
free. Linux, cgroups(7); both versions of control groups are in use.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple


class _Files(NamedTuple):
    """Names of a version's files."""

    limit: str
    used: str
    reclaimable: str
    """The line of memory.stat that tells what of it the system takes back when it needs it."""


_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")


def free_memory(root: str | Path = "/") -> int | None:
    """Return the bytes of memory that this process may still take, or None where the system does not say.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` lie.
    """
    root = Path(root)
    known = (_of_machine(root), *(_left(folder, files) for folder, files in _groups(root)))
    return min((one for one in known if one is not None), default=None)


def _of_machine(root: Path) -> int | None:
    kibibytes = _numbers(root / "proc/meminfo").get("MemAvailable:")
    return None if kibibytes is None else kibibytes * 1024


def _groups(root: Path) -> Iterator[tuple[Path, _Files]]:
    """Yield the folders of the control groups that limit this process's memory: its own and those above."""
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            places, files = ["sys/fs/cgroup/memory"], _VERSION_1
        elif not controllers:
            places, files = ["sys/fs/cgroup", "sys/fs/cgroup/unified"], _VERSION_2
        else:
            continue
        # In a container the path may be one of the host, which is not there: then its own group is the uppermost.
        own = Path(path.lstrip("/"))
        yield from ((root / place / one, files) for place in places for one in (own, *own.parents))


def _left(folder: Path, files: _Files) -> int | None:
    """Return what a group leaves of its limit; None where it has none."""
    limit, used = _number(folder / files.limit), _number(folder / files.used)
    if limit is None or used is None:
        return None
    return max(0, limit - used + _numbers(folder / "memory.stat").get(files.reclaimable, 0))


def _number(path: Path) -> int | None:
    text = "".join(_lines(path))
    return int(text) if text.isdecimal() else None


def _numbers(path: Path) -> Mapping[str, int]:
    """Return a file's lines of a name and a number."""
    pairs = (line.split() for line in _lines(path))
    return {words[0]: int(words[1]) for words in pairs if len(words) > 1 and words[1].isdecimal()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # Other systems have no such files.
        return []
