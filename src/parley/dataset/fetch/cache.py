"""Cache of HTTP answers by URL, shared by all experiments so that no URL is downloaded twice.

Each URL has one file, named after the URL's image key: a line of JSON with the outcome, then the body as received.
As both are in one file, a single rename publishes them: a killed process leaves no partial file under a final name,
and several processes can share a cache.
"""

import contextlib
import hashlib
import json
import logging
import os
import secrets
import time
from dataclasses import replace
from pathlib import Path

from parley.core.errors import ParleyError
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import Answer, ErrorClass

logger = logging.getLogger(__name__)
FORMAT = 1
LEFT_BEHIND_S = 3600.0
"""Age in seconds from which a temporary file is one of a process that was killed."""
_KINDS: dict[str, tuple[type, ...]] = {
    "url": (str,),
    "http_status": (int, type(None)),
    "attempts": (int,),
    "seconds": (int, float),
    "max_bytes": (int,),
}
"""Types of the values in the JSON header. They are checked because the checksum covers only the body."""


class Cache:
    """Stores answers by image key in a folder; safe to share between threads and processes.

    Parameters
    ----------
    folder
        Folder of the cache, created on the first write.
    options
        Settings of this run. `max_bytes`, `obey_robots_tag` and `allow_private_hosts` determine whether an answer
        stored under other settings can be used.
    """

    def __init__(self, folder: str | Path, options: FetchOptions) -> None:
        self.folder = str(folder)
        self._options = options
        self._prepared: set[str] = set()

    def has(self, key: str) -> bool:
        """Return True if a file exists for the key; the file is not read."""
        return os.path.exists(self.path_of(key))  # noqa: PTH110

    def load(self, key: str) -> Answer | None:
        """Return the answer stored for a key; None if it is missing, damaged or not valid under this run's settings.

        Raises
        ------
        ParleyError
            If a file exists but cannot be read.
        """
        content = self._content(key)
        if content is None:
            return None
        line, _, body = content.partition(b"\n")
        try:
            head = json.loads(line)
            whole = head["format"] == FORMAT and head["sha256"] == _digest(body)
            whole = whole and all(isinstance(head[name], kinds) for name, kinds in _KINDS.items())
            answer = Answer(
                url=head["url"],
                body=None if head["error"] else body,
                error=ErrorClass(head["error"]) if head["error"] else None,
                http_status=head["http_status"],
                attempts=head["attempts"],
                seconds=head["seconds"],
                opted_out=head.get("opted_out", False),
                from_private=head.get("from_private", False),
                redirected_to=str(head.get("redirected_to", "")),
            )
        except (ValueError, KeyError, TypeError, RecursionError):  # Another format, or truncated.
            whole = False
        if not whole:
            logger.warning("%s is damaged or of another format; its URL is requested again.", self.path_of(key))
            return None
        return self._under_these_settings(answer, head["max_bytes"])

    def body(self, key: str) -> bytes | None:
        """Return the body of a stored answer without verifying it; None if the file no longer exists.

        Raises
        ------
        ParleyError
            If the file cannot be read.
        """
        content = self._content(key)
        return None if content is None else content.partition(b"\n")[2]

    def store(self, key: str, answer: Answer) -> None:
        """Store an answer, replacing any earlier one.

        Raises
        ------
        ParleyError
            If the answer cannot be written, for example because the disk is full. Earlier answers are kept.
        """
        body = answer.body or b""
        head = {
            "format": FORMAT,
            "url": answer.url,
            "error": answer.error,
            "http_status": answer.http_status,
            "attempts": answer.attempts,
            "seconds": round(answer.seconds, 3),
            "sha256": _digest(body),
            "max_bytes": self._options.max_bytes,
            "opted_out": answer.opted_out,
            "from_private": answer.from_private,
            "redirected_to": answer.redirected_to,
        }
        try:
            self._write(key, json.dumps(head).encode() + b"\n" + body)
        except OSError as error:
            raise ParleyError(
                f"The image cache {self.folder} cannot be written to ({error.strerror}). Make room or "
                "fix its permissions, then run again: fetched images are kept and not requested again."
            ) from error

    def _under_these_settings(self, answer: Answer, max_bytes: int) -> Answer | None:
        """Adapt an answer stored under `max_bytes` to this run's settings; None if the URL must be requested again."""
        options = self._options
        if answer.from_private and not options.allow_private_hosts:
            return None
        if answer.error is ErrorClass.TOO_LARGE and max_bytes < options.max_bytes:
            return None
        if answer.error is ErrorClass.OPTED_OUT and not options.obey_robots_tag:
            return None
        if answer.body is not None and answer.opted_out and options.obey_robots_tag:
            return replace(answer, body=None, error=ErrorClass.OPTED_OUT)
        if answer.body is not None and len(answer.body) > options.max_bytes:
            return replace(answer, body=None, error=ErrorClass.TOO_LARGE)
        return answer

    def _content(self, key: str) -> bytes | None:
        try:
            with open(self.path_of(key), "rb", buffering=0) as stream:  # noqa: PTH123
                return stream.readall()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ParleyError(
                f"{self.path_of(key)}, of the image cache {self.folder}, cannot be read ({error.strerror}). "
                "Fix its permissions, or remove it: then its URL is requested again."
            ) from error

    def path_of(self, key: str) -> str:
        """Return the path of a key's cache file."""
        # The path is a string because creating a Path takes longer than the system call that uses it.
        return f"{self.folder}/{key[:2]}/{key}"

    def _write(self, key: str, content: bytes) -> None:
        path = self.path_of(key)
        folder = path[: -len(key) - 1]
        if folder not in self._prepared:
            self._prepare(folder)
        # The temporary file is in the same folder: the kernel serialises renames between folders, which delays threads.
        aside = f"{folder}/.{key}.{secrets.token_hex(6)}.part"
        try:
            with open(aside, "xb", buffering=0) as stream:  # noqa: PTH123
                left = memoryview(content)
                while left:  # On a nearly full disk, a write may be incomplete before the next one fails.
                    left = left[stream.write(left) :]
            os.rename(aside, path)  # noqa: PTH104
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)  # noqa: PTH108
            raise

    def _prepare(self, folder: str) -> None:
        """Create a folder, and remove temporary files that killed processes left in it."""
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    # More recent files may belong to a running process.
                    if entry.name.endswith(".part") and time.time() - entry.stat().st_mtime > LEFT_BEHIND_S:
                        os.unlink(entry.path)  # noqa: PTH108
        self._prepared.add(folder)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
