"""What is not to be used, whoever lists it: images that somebody asked to be taken down."""

import re
from pathlib import Path

from parley.core.errors import Findings, ParleyError
from parley.dataset.keys import image_key, is_key

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def read_exclusions(path: str | Path | None) -> frozenset[str]:
    """Read an exclude list.

    Parameters
    ----------
    path
        A text file, UTF-8, an entry a line: a URL or local path as it is listed, an image's key, or
        the SHA-256 of bytes. Blank lines and what follows a `#` at a line's beginning or behind
        white space are passed over. None is an empty list.

    Returns
    -------
    Image keys and SHA-256, in hexadecimal; a URL is there as its key.

    Raises
    ------
    ParleyError
        When the file cannot be read, or lines are no such entry: all of them at once.
    """
    if path is None:
        return frozenset()
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ParleyError(f"The exclude list {path} is not UTF-8 text ({error.reason}); save it as UTF-8.") from error
    except OSError as error:
        raise ParleyError(f"The exclude list {path} cannot be read ({error.strerror}); check fetch.exclude.") from error
    findings, excluded = Findings(), set()
    for number, line in enumerate(lines, start=1):
        entry = re.split(r"(?:^|\s)#", line.removeprefix("\ufeff"), maxsplit=1)[0].strip()
        if re.search(r"\s", entry):
            findings.add(f"{path}, line {number}: {entry!r} holds white space; write one URL, key or SHA-256 a line.")
        elif entry:
            excluded.add(_name_of(entry))
    findings.raise_if_any()
    return frozenset(excluded)


def _name_of(entry: str) -> str:
    lowered = entry.lower()
    return lowered if _SHA256.fullmatch(lowered) or is_key(lowered) else image_key(entry)
