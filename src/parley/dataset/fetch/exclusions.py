"""Exclude list: images that must never be used, for example because their owner asked for removal."""

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
        UTF-8 text with one entry per line: a URL or local path as listed by a source, an image key, or the
        SHA-256 of the bytes. Blank lines are ignored, and so is everything after a `#` at the start of a line or
        after white space. None is an empty list.

    Returns
    -------
    Image keys and SHA-256 digests in hexadecimal; URLs are converted to keys.

    Raises
    ------
    ParleyError
        If the file cannot be read or has invalid lines; all of them are reported together.
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
            findings.add(
                f"{path}, line {number}: {entry!r} contains white space; write one URL, key or SHA-256 per line."
            )
        elif entry:
            excluded.add(_name_of(entry))
    findings.raise_if_any()
    return frozenset(excluded)


def _name_of(entry: str) -> str:
    lowered = entry.lower()
    return lowered if _SHA256.fullmatch(lowered) or is_key(lowered) else image_key(entry)
