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


def with_table(document: str, name: str, lines: Sequence[str]) -> str:
    """Return a document with the lines between ``<!-- table NAME -->`` and ``<!-- end -->`` replaced.

    Raises
    ------
    ParleyError
        If the document has no such section, or more than one.
    """
    begin, end = f"<!-- table {name} -->", "<!-- end -->"
    before, found, rest = document.partition(begin + "\n")
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in after:
        raise ParleyError(
            f"The page must have one place for the table {name}: one line {begin} and, below it, a line {end}."
        )
    return f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _is_unprintable(mark: str) -> bool:
    return mark in _TURNS_TEXT or (unicodedata.category(mark) in ("Cc", "Cs") and not mark.isspace())
