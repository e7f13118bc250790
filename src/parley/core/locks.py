"""Advisory locks on files (flock), which the kernel releases when their process ends, even if it is killed."""

import fcntl
from pathlib import Path
from typing import IO, Any


def lock(file: int | IO[Any], wait: bool = True) -> bool | None:
    """Lock an open file, unless another process has locked it; with `wait`, first wait for that process.

    Returns
    -------
    Whether the file is locked now; None if its file system has no locks or fails to lock it.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def is_locked(path: Path) -> bool | None:
    """Return whether a process has locked a file; None if its file system has no locks."""
    with path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return None
    return False
