"""Read text files from any editor: UTF-8 or, with a byte order mark, UTF-16; with the line ends of any system."""

import codecs
import csv
import io
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from parley.core.errors import ParleyError
from parley.core.files import EMPTY, mistaken_for

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
LONGEST_CELL = 1 << 24
"""Maximum number of characters in a cell of a CSV."""
csv.field_size_limit(LONGEST_CELL)  # The module's own limit is 128 KiB.
_HEAD_BYTES = 1 << 20
_DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars", " ": "spaces"}


@contextmanager
def opened_text(path: str | Path, fix: str = "check the path") -> Iterator[TextIO]:
    r"""Open a text file for reading. A line ends with ``"\n"``, which may have a ``"\r"`` before it.

    If the first MiB has a ``"\r"`` and no ``"\n"``, as in files of classic Mac OS, ``"\r"`` ends a line.

    Parameters
    ----------
    path
        The file.
    fix
        What to do if the file cannot be opened, for the error message.

    Raises
    ------
    ParleyError
        If the path is a folder, named pipe or device, or the file cannot be read, is of another kind, such as a
        spreadsheet, or is neither UTF-8 nor UTF-16 with a byte order mark, also while the caller reads.
    """
    check_kind(path, "a text file", fix)
    try:
        with Path(path).open("rb") as raw:
            head = raw.read(_HEAD_BYTES)
            raw.seek(0)
            encoding = "utf-16" if head.startswith(UTF16_MARKS) else "utf-8-sig"
            if encoding != "utf-16" and b"\0" in head[:2]:  # One of the bytes of an ASCII character.
                raise ParleyError(f"{path} is not text, or UTF-16 without a byte order mark; save it as UTF-8.")
            with io.TextIOWrapper(raw, encoding, newline=_line_end(head, encoding)) as stream:
                yield stream
    except UnicodeError as error:
        raise ParleyError(_undecodable(path, error)) from error
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; {fix}.") from error
    except OSError as error:
        raise ParleyError(f"{path} cannot be read ({error.strerror or error}); {fix}.") from error


def check_kind(path: str | Path, what: str, fix: str = "check the path", accepted: Collection[str] = ()) -> None:
    """Raise `ParleyError` for a path that is not a file, and for kinds of files that are not in `accepted`."""
    kind, remedy = mistaken_for(path)
    if kind not in ("", EMPTY, *accepted):
        raise ParleyError(f"{path} is {kind}, not {what}; {remedy or fix}.")


def _line_end(head: bytes, encoding: str) -> str:
    text = head.decode(encoding, "ignore") if b"\r" in head else ""
    return "\r" if "\r" in text and "\n" not in text else "\n"


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
        As `opened_text` does, or if a quote is not closed, text follows a closing quote, or a cell is longer than
        `LONGEST_CELL`.
    """
    with opened_text(path) as stream:
        reader, first = csv.reader(stream, strict=True), 1
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
                first = reader.line_num + 1
        except csv.Error as error:
            raise ParleyError(f"{path}, line {first}: {_csv_problem(str(error), reader.line_num)}") from error


def _csv_problem(error: str, line: int) -> str:
    """Return what is wrong with a row of a CSV, given the error of the module `csv` and the row's last line."""
    if "unexpected end" in error:
        return "a quote opens here and is never closed; close it or remove it."
    if "expected after" in error:
        return (
            f"a quoted cell begins here, but more text follows its closing quote in line {line}; close the cell, or "
            "write a quote inside it twice."
        )
    if "new-line character" in error:
        return "it contains a carriage return inside a line; save it with the line ends of Unix or Windows."
    return f"it is not comma-separated text ({error}); correct it."


def delimiter_found(line: str, fits: Callable[[Sequence[str]], bool]) -> str:
    """Return the name of the delimiter that divides a line into cells that fit, such as ``semicolons``, or ``""``.

    The cells are passed to `fits` without surrounding spaces and quotes.
    """
    for mark, name in _DELIMITERS.items():
        if fits([plain_cell(cell) for cell in line.split(mark if mark != " " else None)]):
            return name
    return ""


def control_characters(text: str) -> str:
    """Return the distinct control characters of a text, escaped, except spaces, tabs and line breaks."""
    found = dict.fromkeys(mark for mark in text if unicodedata.category(mark) == "Cc" and not mark.isspace())
    return ", ".join(ascii(mark)[1:-1] for mark in found)


def plain_cell(cell: str) -> str:
    """Return a cell without surrounding spaces and quotes."""
    return cell.strip().strip("\"'").strip()


def _undecodable(path: str | Path, error: UnicodeError) -> str:
    """Return an error message that names the first line that is not UTF-8."""
    with Path(path).open("rb") as raw:
        if raw.peek(2).startswith(UTF16_MARKS):
            return f"{path} is not UTF-16 text ({error}); save it as UTF-8."
        for number, line in enumerate(raw, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as found:
                byte = line[found.start]
                hint = "it seems to be Latin-1 or Windows-1252" if byte >= 0xA0 else "it has another encoding"
                return f"{path}, line {number} is not UTF-8 text (byte 0x{byte:02x}); {hint}: save it as UTF-8."
    return f"{path} is not UTF-8 text ({error}); save it as UTF-8."
