"""Read text files from any editor: UTF-8 or, with a byte order mark, UTF-16; with the line ends of Unix or Windows."""

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from parley.core.errors import ParleyError

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
LONGEST_CELL = 1 << 24
"""Maximum number of characters in a cell of a CSV."""
csv.field_size_limit(LONGEST_CELL)  # The module's own limit is 128 KiB.


@contextmanager
def opened_text(path: str | Path, fix: str = "check the path") -> Iterator[TextIO]:
    r"""Open a text file for reading. Only ``"\n"`` ends a line, which may keep a ``"\r"`` before it.

    Parameters
    ----------
    path
        The file.
    fix
        What to do if the file cannot be opened, for the error message.

    Raises
    ------
    ParleyError
        If the file cannot be read, or is neither UTF-8 nor UTF-16 with a byte order mark, also while the caller reads.
    """
    try:
        with Path(path).open("rb") as raw:
            head = raw.peek(2)
            encoding = "utf-16" if head.startswith(_UTF16_MARKS) else "utf-8-sig"
            if encoding != "utf-16" and b"\0" in head[:2]:  # One of the bytes of an ASCII character.
                raise ParleyError(f"{path} is not text, or UTF-16 without a byte order mark; save it as UTF-8.")
            with io.TextIOWrapper(raw, encoding, newline="\n") as stream:
                yield stream
    except UnicodeError as error:
        raise ParleyError(_undecodable(path, error)) from error
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; {fix}.") from error
    except OSError as error:
        raise ParleyError(f"{path} cannot be read ({error.strerror or error}); {fix}.") from error


def text_lines(path: str | Path, fix: str = "check the path") -> Iterator[str]:
    """Yield the lines of a text file, without line ends; raise `ParleyError` as `opened_text` does."""
    with opened_text(path, fix) as stream:
        for line in stream:
            yield line.rstrip("\r\n")


def csv_rows(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the last line, and the cells, of each row of a comma-separated file; skip blank lines.

    Raises
    ------
    ParleyError
        As `opened_text` does, or if a cell is longer than `LONGEST_CELL`.
    """
    try:
        with opened_text(path) as stream:
            reader = csv.reader(stream)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
    except csv.Error as error:
        raise ParleyError(f"{path} is not comma-separated text ({error}); correct it.") from error


def _undecodable(path: str | Path, error: UnicodeError) -> str:
    """Return an error message that names the first line that is not UTF-8."""
    with Path(path).open("rb") as raw:
        if raw.peek(2).startswith(_UTF16_MARKS):
            return f"{path} is not UTF-16 text ({error}); save it as UTF-8."
        for number, line in enumerate(raw, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as found:
                byte = line[found.start]
                hint = "it seems to be Latin-1 or Windows-1252" if byte >= 0xA0 else "it has another encoding"
                return f"{path}, line {number} is not UTF-8 text (byte 0x{byte:02x}); {hint}: save it as UTF-8."
    return f"{path} is not UTF-8 text ({error}); save it as UTF-8."
