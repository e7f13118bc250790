"""Read local images: files and tar members inside one root folder."""

import os
import stat
import tarfile
import threading
from pathlib import Path

from parley.dataset.fetch.outcomes import Answer, ErrorClass

_TAR_MARK = ".tar!"


class LocalFiles:
    """Reads the local entries of a source; safe to share between threads.

    Parameters
    ----------
    root
        Folder that must contain every entry after links are resolved.
    max_bytes
        Larger files are rejected.
    """

    def __init__(self, root: str | Path, max_bytes: int) -> None:
        self._root = Path(root).resolve()
        self._max_bytes = max_bytes
        self._indices: dict[Path, dict[str, tuple[int, int]]] = {}
        self._lock = threading.Lock()

    def get(self, entry: str) -> Answer:
        """Read an entry: a path relative to the root, or `<tar>!<member>`."""
        try:
            return self._read(entry)
        except (FileNotFoundError, NotADirectoryError):
            return Answer(entry, error=ErrorClass.MISSING)
        # ValueError: a NUL in the path. RuntimeError: a cycle of symbolic links.
        except (OSError, tarfile.TarError, ValueError, RuntimeError):
            return Answer(entry, error=ErrorClass.UNREADABLE)

    def _read(self, entry: str) -> Answer:
        name, mark, member = entry.partition(_TAR_MARK)
        path = (self._root / (name + mark[:-1])).resolve()
        if not path.is_relative_to(self._root):
            return Answer(entry, error=ErrorClass.OUTSIDE_ROOT)
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # Opening a pipe would block.
            return Answer(entry, error=ErrorClass.UNREADABLE)
        if mark:
            span = self._index_of(path).get(member)
            if span is None:
                return Answer(entry, error=ErrorClass.MISSING)
            offset, size = span
        else:
            offset, size = 0, found.st_size
        if size > self._max_bytes:
            return Answer(entry, error=ErrorClass.TOO_LARGE)
        with path.open("rb") as stream:
            return Answer(entry, body=os.pread(stream.fileno(), size, offset))

    def _index_of(self, tar: Path) -> dict[str, tuple[int, int]]:
        """Return offset and size in bytes of each regular member of a tar; each tar is scanned once."""
        with self._lock:
            if tar not in self._indices:
                with tarfile.open(tar, "r:") as archive:
                    self._indices[tar] = {
                        member.name: (member.offset_data, member.size) for member in archive if member.isreg()
                    }
            return self._indices[tar]
