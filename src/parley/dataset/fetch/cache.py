"""What earlier runs were answered, by URL: no byte is asked for twice, by whatever experiment.

One file a URL, named by its key: a line of JSON that says what happened, then the body as it came.
One file, so that one rename makes both appear; a process killed at any moment leaves nothing half
under a final name, and several may work on the same cache.
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
from typing import Any

from parley.core.errors import ParleyError
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import Answer, ErrorClass

logger = logging.getLogger(__name__)
FORMAT = 1
_LEFT_BEHIND_S = 3600.0
_KINDS: dict[str, tuple[type, ...]] = {
    "url": (str,),
    "http_status": (int, type(None)),
    "attempts": (int,),
    "seconds": (int, float),
    "max_bytes": (int,),
}
"""What the head of an answer holds: the sum is of the body alone, so that the head may be damaged by itself."""


class Cache:
    """Answers by key, below one folder; safe to share between threads and processes.

    Parameters
    ----------
    folder
        Made when it is first written to.
    options
        What an answer of an earlier run, with other settings perhaps, is to this one: `max_bytes`,
        `obey_robots_tag` and `allow_private_hosts` count.
    """

    def __init__(self, folder: str | Path, options: FetchOptions) -> None:
        self.folder = Path(folder)
        self._options = options
        # Of plain strings: a path object costs more than the call it is made for.
        self._root = str(folder)
        self._prepared: set[str] = set()

    def path_of(self, key: str) -> Path:
        """Return where the answer of a key lies."""
        return Path(self._place_of(key))

    def has(self, key: str) -> bool:
        """Say whether there may be an answer, without reading it."""
        return os.path.exists(self._place_of(key))  # noqa: PTH110

    def load(self, key: str) -> Answer | None:
        """Return the answer of an earlier run, or None where there is none to rely on.

        Raises
        ------
        ParleyError
            When there is one and it cannot be read.
        """
        content = self._content(key)
        if content is None:
            return None
        line, _, body = content.partition(b"\n")
        try:
            head = json.loads(line)
            whole = head["format"] == FORMAT and head["sha256"] == _digest(body)
            whole = whole and all(isinstance(head[name], kinds) for name, kinds in _KINDS.items())
            answer = _answer_of(head, body)
        except (ValueError, KeyError, TypeError):  # Of another format, or cut short when the power went.
            whole = False
        if not whole:
            logger.warning("%s is damaged or of another format; its URL is asked for again.", self.path_of(key))
            return None
        return self._under_these_settings(answer, head["max_bytes"])

    def body(self, key: str) -> bytes | None:
        """Return the body of an answer that was loaded or stored before, unchecked; None where it is gone.

        Raises
        ------
        ParleyError
            When it cannot be read.
        """
        content = self._content(key)
        return None if content is None else content.partition(b"\n")[2]

    def store(self, key: str, answer: Answer) -> None:
        """Keep an answer, in place of an earlier one.

        Raises
        ------
        ParleyError
            When it cannot be written, as on a full disk. What is kept already stays.
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
        }
        try:
            self._write(key, json.dumps(head).encode() + b"\n" + body)
        except OSError as error:
            raise ParleyError(
                f"The image cache {self.folder} cannot be written to ({error.strerror}). Make room, or see to its "
                "permissions, and run again: what is fetched already is kept and not asked for again."
            ) from error

    def _under_these_settings(self, answer: Answer, max_bytes: int) -> Answer | None:
        """Return what an answer got under other settings would be under these; None where that is not known."""
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
            with open(self._place_of(key), "rb", buffering=0) as stream:  # noqa: PTH123
                return stream.readall()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ParleyError(
                f"{self.path_of(key)}, of the image cache {self.folder}, cannot be read ({error.strerror}). "
                "See to its permissions, or remove it: then its URL is asked for again."
            ) from error

    def _place_of(self, key: str) -> str:
        return f"{self._root}/{key[:2]}/{key}"

    def _write(self, key: str, content: bytes) -> None:
        place = self._place_of(key)
        folder = place[: -len(key) - 1]
        if folder not in self._prepared:
            self._prepare(folder)
        # Beside its place: to rename from one folder to another, threads would have to wait for each other.
        aside = f"{folder}/.{key}.{secrets.token_hex(6)}.part"
        try:
            with open(aside, "xb", buffering=0) as stream:  # noqa: PTH123
                left = memoryview(content)
                while left:  # A disk that runs full may take a part before it refuses the rest.
                    left = left[stream.write(left) :]
            os.rename(aside, place)  # noqa: PTH104
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)  # noqa: PTH108
            raise

    def _prepare(self, folder: str) -> None:
        """Make a folder, and remove what a process was writing there when it was killed."""
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".part"):
                    _remove_if_left_behind(entry)
        self._prepared.add(folder)


def _remove_if_left_behind(entry: os.DirEntry[str]) -> None:
    with contextlib.suppress(FileNotFoundError):
        if time.time() - entry.stat().st_mtime > _LEFT_BEHIND_S:  # What another process writes now is younger.
            os.unlink(entry.path)  # noqa: PTH108


def _answer_of(head: dict[str, Any], body: bytes) -> Answer:
    return Answer(
        url=head["url"],
        body=None if head["error"] else body,
        error=ErrorClass(head["error"]) if head["error"] else None,
        http_status=head["http_status"],
        attempts=head["attempts"],
        seconds=head["seconds"],
        opted_out=head.get("opted_out", False),
        from_private=head.get("from_private", False),
    )


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
