"""What earlier runs were answered, by URL: no byte is asked for twice, by whatever experiment.

One file a URL, named by its key: a line of JSON that says what happened, then the body as it came.
One file, so that one rename makes both appear; a process killed at any moment leaves nothing half
under a final name, and several may work on the same cache.
"""

import hashlib
import json
import logging
from pathlib import Path

from parley.errors import ParleyError
from parley.fetch.outcomes import Answer, ErrorClass
from parley.files import written_aside

logger = logging.getLogger(__name__)
FORMAT = 1


class Cache:
    """Answers by key, below one folder.

    Parameters
    ----------
    folder
        Made when it is first written to.
    max_bytes
        The byte cap in force: an answer given up as too large under a lower one does not count.
    """

    def __init__(self, folder: str | Path, max_bytes: int) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes

    def path_of(self, key: str) -> Path:
        """Return where the answer of a key lies."""
        return self.folder / key[:2] / key

    def load(self, key: str) -> Answer | None:
        """Return the answer of an earlier run, or None where there is none to rely on."""
        try:
            content = self.path_of(key).read_bytes()
        except FileNotFoundError:
            return None
        line, _, body = content.partition(b"\n")
        try:
            head = json.loads(line)
            answer = Answer(
                url=head["url"],
                body=None if head["error"] else body,
                error=ErrorClass(head["error"]) if head["error"] else None,
                http_status=head["http_status"],
                attempts=head["attempts"],
                seconds=head["seconds"],
            )
            whole = head["format"] == FORMAT and head["sha256"] == _digest(body)
        except (ValueError, KeyError, TypeError):  # Of another format, or cut short when the power went.
            whole = False
        if not whole:
            logger.warning("%s is damaged or of another format; its URL is asked for again.", self.path_of(key))
            return None
        if answer.error is ErrorClass.TOO_LARGE and head["max_bytes"] < self.max_bytes:
            return None
        return answer

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
            "max_bytes": self.max_bytes,
        }
        try:
            with written_aside(self.path_of(key)) as aside:
                aside.write_bytes(json.dumps(head).encode() + b"\n" + body)
        except OSError as error:
            raise ParleyError(
                f"The image cache {self.folder} cannot be written to ({error.strerror}). Make room, or see to its "
                "permissions, and run again: what is fetched already is kept and not asked for again."
            ) from error


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
