"""The memory that is still available to a process, from the files of Linux about the machine and control groups."""

from collections.abc import Iterator, Mapping
from pathlib import Path

_CGROUPS_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
"""Files with a control group's limit and usage, and the line of memory.stat with the reclaimable bytes (version 1)."""
_CGROUPS_2 = ("memory.max", "memory.current", "inactive_file")
"""The same of version 2."""


def free_memory(root: str | Path = "/") -> int | None:
    """Return the memory still available to this process, in bytes; None if unknown.

    A job on a cluster or in a container is killed if its control group exceeds the group's memory limit, even if the
    machine has free memory (Linux, cgroups(7), versions 1 and 2).

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


def _groups(root: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """Yield the folders of the control groups that limit this process's memory, from its own to the root group."""
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            folders, files = ["sys/fs/cgroup/memory"], _CGROUPS_1
        elif not controllers:
            folders, files = ["sys/fs/cgroup", "sys/fs/cgroup/unified"], _CGROUPS_2
        else:
            continue
        # In a container, the path may be the host's and not exist here; the container's group is then the root folder.
        own = Path(path.lstrip("/"))
        yield from ((root / folder / one, files) for folder in folders for one in (own, *own.parents))


def _headroom(folder: Path, files: tuple[str, str, str]) -> int | None:
    """Return the bytes of memory that a control group may still use; None if it has no limit."""
    limit_file, used_file, reclaimable = files
    limit, used = _number(folder / limit_file), _number(folder / used_file)
    if limit is None or used is None:
        return None
    return max(0, limit - used + _numbers(folder / "memory.stat").get(reclaimable, 0))


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
    except (OSError, ValueError):  # Only Linux has these files.
        return []
