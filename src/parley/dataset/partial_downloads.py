"""Keep the bytes of unfinished downloads in hidden files, so that a later process can continue."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import explained_write_errors, read_json, write_json

logger = logging.getLogger(__name__)


class PartialDownload:
    """Bytes of an unfinished download, which this process has locked, and a record of where they are from.

    Parameters
    ----------
    path
        Path of the file with the bytes.
    stream
        The same file, opened for appending without a buffer.
    has_checksum
        Whether a checksum will tell if bytes from several servers make up the file.
    """

    def __init__(self, path: Path, stream: FileIO, has_checksum: bool) -> None:
        self.path, self._stream, self._has_checksum = path, stream, has_checksum
        self._record = path.with_name(f"{path.name}.json")
        self.source: dict[str, Any] = {}
        with suppress(ParleyError):  # There is no record, or the computer stopped while it was written.
            found = read_json(self._record)
            self.source = found if isinstance(found, dict) else {}

    @property
    def size(self) -> int:
        """Number of bytes so far."""
        return os.fstat(self._stream.fileno()).st_size

    @property
    def is_useful(self) -> bool:
        """Whether a later call can continue from these bytes."""
        return self.size > 0 and (self._has_checksum or bool(self.source.get("validator")))

    def is_from(self, url: str) -> bool:
        """Return whether the bytes are from a URL whose server can tell whether its file is still the same."""
        return bool(self.source.get("validator")) and self.source.get("url") == url

    def begin(self, url: str, validator: str, total_bytes: int | None) -> None:
        """Discard the bytes; further ones are from a URL."""
        self._stream.truncate(0)
        self._note(url, validator, total_bytes)

    def go_on_from(self, url: str) -> None:
        """Keep the bytes; further ones are from a URL, perhaps another one. Then no server can vouch for all."""
        if not self.is_from(url):
            self._note("", "", self.source.get("bytes"))

    def _note(self, url: str, validator: str, total_bytes: int | None) -> None:
        self.source = {"url": url, "validator": validator, "bytes": total_bytes}
        write_json(self._record, self.source)

    def append(self, chunk: bytes) -> None:
        """Add bytes. They are kept even if the process is killed."""
        rest = memoryview(chunk)
        while rest:  # An almost full disk takes only a part.
            rest = rest[self._stream.write(rest) :]

    def discard(self) -> None:
        """Discard the bytes."""
        self._stream.truncate(0)
        self._record.unlink(missing_ok=True)
        self.source = {}

    def remove(self) -> None:
        """Remove the files, if they are still there."""
        for path in (self._record, self.path):
            path.unlink(missing_ok=True)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Run a block that makes files whose names begin with that of `path` while no other process does."""
    lock = path.with_name(f".{path.name}.lock")
    with explained_write_errors(path, lock):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(lock):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)


@contextmanager
def unfinished(final: Path, has_checksum: bool) -> Iterator[PartialDownload]:
    """Lock the unfinished download of a file, and remove it afterwards if it is finished or cannot be continued."""
    path = final.with_name(f".{final.name}.partial")
    with explained_write_errors(final, path):
        final.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as stream:
            partial = PartialDownload(path, stream, has_checksum)
            try:
                yield partial
            finally:
                if not path.exists() or not partial.is_useful:
                    partial.remove()


def _locked(path: Path) -> FileIO:
    """Open a file for appending, and lock it; wait while another process has locked it."""
    while True:
        stream = path.open("ab", buffering=0)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s is being written by another process; waiting for it", path)
            fcntl.flock(stream, fcntl.LOCK_EX)
        if path.exists() and os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            return stream
        stream.close()  # The other process has renamed or removed it.
