"""Escape untrusted text and format tables as Markdown (CommonMark with tables)."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from parley.core.errors import ParleyError
from parley.core.files import is_web_url

_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!~$])")
# These become entities, because a backslash before them could become part of a link or end a table cell.
_ENTITIES = {"&": "&amp;", "|": "&#124;"}
# Some renderers turn addresses that start like this into links, even if escaped with backslashes.
_BARE_LINKS = ((re.compile("://"), "&#58;//"), (re.compile(r"(www)\.", re.IGNORECASE), r"\1&#46;"))
_IN_ANGLES = re.compile(r"[^\s<>\\|`\"]+")
_TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = "\ufffd"


def escaped(text: str) -> str:
    """Escape text so that Markdown shows it literally, in a line or a table cell.

    A web address that stands alone becomes a link. Each run of white space becomes one space; control
    characters, and those that change the direction of surrounding text, become U+FFFD.
    """
    line = " ".join("".join(_UNPRINTABLE if _is_unprintable(mark) else mark for mark in text).split())
    if is_web_url(line) and _IN_ANGLES.fullmatch(line):
        return f"<{line}>"
    marked = "".join(_ENTITIES.get(mark, mark) for mark in _MARKS.sub(r"\\\1", line))
    for bare, broken in _BARE_LINKS:
        marked = bare.sub(broken, marked)
    return marked


def table(header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> list[str]:
    """Return the lines of a table. Integers get a thousands separator; other cells must already be Markdown."""
    lines = [_row(header), "|" + "---|" * len(header)]
    return lines + [_row([f"{cell:,}" if isinstance(cell, int) else cell for cell in row]) for row in rows]


def only_columns(lines: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return Markdown lines whose table has only the columns `names`, in this order. Other lines are unchanged."""
    header = [cell.strip() for cell in next((_cells(line) for line in lines if line.startswith("|")), [])]
    if unknown := [name for name in names if name not in header]:
        raise ParleyError(f"The table has no column {', '.join(unknown)}; its columns are {', '.join(header)}.")
    kept = [header.index(name) for name in names]
    return [f"|{'|'.join(_cells(line)[i] for i in kept)}|" if line.startswith("|") else line for line in lines]


def with_table(document: str, name: str, lines: Sequence[str]) -> str:
    """Return a document with the lines between ``<!-- table NAME -->`` and ``<!-- end -->`` replaced.

    Everything else, and the kind of line ends, is unchanged.

    Raises
    ------
    ParleyError
        If the document has no such section, or more than one, or another table begins before the section ends.
    """
    begin, end = f"<!-- table {name} -->", "<!-- end -->"
    section = re.search(rf"{re.escape(begin)}(\r?\n)(.*?){end}", document, re.DOTALL)
    if not section or document.count(begin) > 1 or "<!-- table " in section[2]:
        raise ParleyError(
            f"The page must have one place for the table {name}: one line {begin} and, below it, a line {end}."
        )
    return document[: section.start(2)] + section[1].join([*lines, ""]) + document[section.end(2) :]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: str) -> list[str]:
    return row.removeprefix("|").removesuffix("|").split("|")


def _is_unprintable(mark: str) -> bool:
    return mark in _TURNS_TEXT or (unicodedata.category(mark) in ("Cc", "Cs") and not mark.isspace())
