"""Text from anywhere as Markdown that shows just that text, on any page that renders CommonMark and tables."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from parley.core.addresses import is_web_url
from parley.core.errors import ParleyError

_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!~$])")
# As entities, where a backslash would be taken for part of a link or a cell's end.
_ENTITIES = {"&": "&amp;", "|": "&#124;"}
# Words that some renderers make a link of, backslashes and all.
_BARE_LINKS = ((re.compile("://"), "&#58;//"), (re.compile(r"(www)\.", re.IGNORECASE), r"\1&#46;"))
_IN_ANGLES = re.compile(r"[^\s<>\\|`\"]+")
_TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = "\ufffd"


def escaped(text: str) -> str:
    """Return text so that Markdown shows it as it is, within a line or in a table's cell.

    A web address that stands alone becomes a link. White space of any kind becomes one space; control
    characters, and those that turn the direction of the text around them, become U+FFFD.
    """
    line = " ".join("".join(_UNPRINTABLE if _is_unprintable(mark) else mark for mark in text).split())
    if is_web_url(line) and _IN_ANGLES.fullmatch(line):
        return f"<{line}>"
    marked = "".join(_ENTITIES.get(mark, mark) for mark in _MARKS.sub(r"\\\1", line))
    for bare, broken in _BARE_LINKS:
        marked = bare.sub(broken, marked)
    return marked


def table(header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> list[str]:
    """Return the lines of a table; numbers are set with separated thousands, cells are Markdown already."""
    lines = [_row(header), "|" + "---|" * len(header)]
    return lines + [_row([f"{cell:,}" if isinstance(cell, int) else cell for cell in row]) for row in rows]


def with_table(document: str, name: str, lines: Sequence[str]) -> str:
    """Return a document in which the lines between ``<!-- table NAME -->`` and ``<!-- end -->`` are others.

    Raises
    ------
    ParleyError
        When the document has no such place, or more than one.
    """
    begin, end = f"<!-- table {name} -->", "<!-- end -->"
    before, found, rest = document.partition(begin + "\n")
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in after:
        raise ParleyError(
            f"There is no one place for the table {name}; write a line {begin} and, below it, a line {end}."
        )
    return f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _is_unprintable(mark: str) -> bool:
    return mark in _TURNS_TEXT or (unicodedata.category(mark) in ("Cc", "Cs") and not mark.isspace())
