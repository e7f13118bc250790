"""Memory available to this process: the machine's free memory and the limits of its control groups (cgroups).

A job of a cluster or in a container is killed if its group exceeds the group's limit, even if the machine has free
memory. Linux, cgroups(7), versions 1 and 2.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple


class _Files(NamedTuple):
    """File names of a cgroup version."""

    limit: str
    used: str
    reclaimable: str
    """The line of memory.stat with the bytes of the used memory that the system can reclaim."""


_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")


def free_memory(root: str | Path = "/") -> int | None:
    """Return the bytes of memory still available to this process, or None if unknown.

    Parameters
    ----------
    root
        Folder that contains ``proc`` and ``sys``.
    """
    root = Path(root)
    known = (_machine_free(root), *(_headroom(folder, files) for folder, files in _groups(root)))
    return min((one for one in known if one is not None), default=None)


def _machine_free(root: Path) -> int | None:
    kibibytes = _numbers(root / "proc/meminfo").get("MemAvailable:")
    return None if kibibytes is None else kibibytes * 1024


def _groups(root: Path) -> Iterator[tuple[Path, _Files]]:
    """Yield the folders of the control groups that limit this process's memory: its own and its ancestors."""
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            folders, files = ["sys/fs/cgroup/memory"], _VERSION_1
        elif not controllers:
            folders, files = ["sys/fs/cgroup", "sys/fs/cgroup/unified"], _VERSION_2
        else:
            continue
        # In a container the path may be one of the host and not exist; the container's own group is then the root.
        own = Path(path.lstrip("/"))
        yield from ((root / folder / one, files) for folder in folders for one in (own, *own.parents))


def _headroom(folder: Path, files: _Files) -> int | None:
    """Return the bytes that a group may still use; None if it has no limit."""
    limit, used = _number(folder / files.limit), _number(folder / files.used)
    if limit is None or used is None:
        return None
    return max(0, limit - used + _numbers(folder / "memory.stat").get(files.reclaimable, 0))


def _number(path: Path) -> int | None:
    text = "".join(_lines(path))
    return int(text) if text.isdecimal() else None


def _numbers(path: Path) -> Mapping[str, int]:
    """Parse a file with a name and a number in each line."""
    pairs = (line.split() for line in _lines(path))
    return {words[0]: int(words[1]) for words in pairs if len(words) > 1 and words[1].isdecimal()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # Other systems have no such files.
        return []
