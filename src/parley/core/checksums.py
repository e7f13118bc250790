"""Check files against checksums, written as the name of the hash function and hexadecimal digits."""

import hashlib
import re
from pathlib import Path

from parley.core.errors import ParleyError

CHECKSUMS = {"md5": 32, "sha1": 40, "sha256": 64}


def check_checksum(path: str | Path, checksum: str | None) -> None:
    """Raise `ParleyError` if a file does not have the given checksum; None accepts any file."""
    expected = parsed_checksum(checksum)
    if expected and (found := other_digest(path, expected)):
        raise ParleyError(
            f"{path} has the {expected[0]} {found}, not {expected[1]}; correct the checksum, or remove the file "
            "to have it downloaded again."
        )


def parsed_checksum(checksum: str | None) -> tuple[str, str] | None:
    """Return the name of the hash function and the lower-case digits; None if there is no checksum.

    The digits may be cut short if ``*`` follows. An invalid checksum raises `ParleyError`.
    """
    if not checksum:
        return None
    name, _, digits = checksum.strip().lower().partition(":")
    length = CHECKSUMS.get(name, 0)
    is_short = digits.endswith("*") and 8 < len(digits) <= length
    if not re.fullmatch("[0-9a-f]+", digits.removesuffix("*")) or not (len(digits) == length or is_short):
        raise ParleyError(
            f"The checksum {checksum!r} must be 'md5:' and 32 hex digits, 'sha1:' and 40, or 'sha256:' and 64."
        )
    return name, digits


def other_digest(path: str | Path, expected: tuple[str, str]) -> str:
    """Return a file's digest if it is not the expected one, otherwise an empty string."""
    name, digits = expected
    with Path(path).open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
    return "" if found.startswith(digits.removesuffix("*")) else found
