"""Keep the bytes of unfinished downloads in hidden files, so that a later process can continue."""

import logging
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import explained_write_errors, read_json, write_json
from parley.core.locks import is_locked, lock

logger = logging.getLogger(__name__)
PARTIAL_NAME = re.compile(r"[.]([^/]+)[.]partial([.]json)?")
"""Pattern of the names of unfinished downloads and their records; the first group is the name of the finished file."""


class PartialDownload:
    """Bytes of an unfinished download, which this process has locked, and a record of where they are from.

    Parameters
    ----------
    final
        Path of the finished file.
    stream
        The file with the bytes, opened for appending without a buffer.
    has_checksum
        Whether a checksum will tell if bytes from several servers make up the file.
    """

    def __init__(self, final: Path, stream: FileIO, has_checksum: bool) -> None:
        self.path, self._stream, self._has_checksum = Path(str(stream.name)), stream, has_checksum
        self._is_own = self.path != _partial(final)
        self._record = self.path.with_name(f"{self.path.name}.json")
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
        return not self._is_own and self.size > 0 and (self._has_checksum or bool(self.source.get("validator")))

    def is_from(self, url: str) -> bool:
        """Return whether the bytes are from a URL whose server can tell whether its file is still the same."""
        return bool(self.source.get("validator")) and self.source.get("url") == url

    def begin(self, url: str, validator: str, total_bytes: int | None) -> None:
        """Discard the bytes; further ones are from a URL."""
        self._stream.truncate(0)
        self._note(url, validator, total_bytes)

    def continue_from(self, url: str) -> None:
        """Keep the bytes; further ones are from a URL, perhaps another one. Then no server can vouch for all."""
        if not self.is_from(url):
            self._note("", "", self.source.get("bytes"))

    def _note(self, url: str, validator: str, total_bytes: int | None) -> None:
        self.source = {"url": url, "validator": validator, "bytes": total_bytes}
        if not self._is_own:  # No later process continues a file of this process.
            write_json(self._record, self.source)

    def append(self, chunk: bytes) -> None:
        """Add bytes. They are kept even if the process is killed."""
        rest = memoryview(chunk)
        while rest:  # An almost full disk takes only a part.
            rest = rest[self._stream.write(rest) :]

    def discard(self, url: str | None = None) -> None:
        """Discard the bytes; if a URL is given, only those from there."""
        if url not in (None, self.source.get("url")):
            return
        self._stream.truncate(0)
        self._record.unlink(missing_ok=True)
        self.source = {}

    def remove(self) -> None:
        """Remove the files, if they are still there."""
        for path in (self._record, self.path):
            path.unlink(missing_ok=True)


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Run a block that makes files whose names begin with that of `path` while no other process does.

    On a file system without locks, other processes may run it, too.
    """
    file = path.with_name(f".{path.name}.lock")
    with explained_write_errors(path, file):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(file) as stream:
            try:
                yield
            finally:
                Path(str(stream.name)).unlink(missing_ok=True)


@contextmanager
def unfinished(final: Path, has_checksum: bool) -> Iterator[PartialDownload]:
    """Lock the unfinished download of a file, and remove it afterwards if it is finished or cannot be continued."""
    path = _partial(final)
    with explained_write_errors(final, path):
        final.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as stream:
            partial = PartialDownload(final, stream, has_checksum)
            try:
                yield partial
            finally:
                if not partial.path.exists() or not partial.is_useful:
                    partial.remove()


def is_being_written(path: Path) -> bool:
    """Return whether a process is writing an unfinished download, given by its path or that of its record."""
    partial = path.with_name(path.name.removesuffix(".json"))
    try:
        return partial.is_file() and bool(is_locked(partial))
    except FileNotFoundError:  # It has just been finished.
        return False


def _partial(final: Path) -> Path:
    return final.with_name(f".{final.name}.partial")


def _locked(path: Path) -> FileIO:
    """Open a file for appending, and lock it; wait while another process has locked it.

    If the file cannot be locked, as on a file system without locks, open a temporary file of this process instead.
    """
    while True:
        stream = path.open("ab", buffering=0)
        with suppress(FileNotFoundError):  # Another process has renamed or removed it.
            locked = lock(stream, wait=False)
            if is_others := locked is False:
                logger.info("%s is being written by another process; waiting for it", path)
                locked = lock(stream)
            if locked is None:
                own = path.with_name(f"{path.stem}.{secrets.token_hex(6)}.part")
                if not is_others and not os.fstat(stream.fileno()).st_size:  # Probably made by this call.
                    path.rename(own)
                stream.close()
                return own.open("ab", buffering=0)
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return stream
        stream.close()
