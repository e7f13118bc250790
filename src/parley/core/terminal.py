"""What commands and the workflow write for a person: in colour on a terminal, as plain text elsewhere."""

import os
import sys
from typing import Any, TextIO, cast

from rich.box import ASCII2, SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_OF_FILES = 100
"""Columns of a line where there is no terminal to have a width."""


class _Narrowed:
    """A stream of an encoding that lacks the signs we use; it gets others in their place and never fails.

    Parameters
    ----------
    stream
        The stream.
    """

    SIGNS = str.maketrans({"–": "-", "→": "->", "…": "...", "·": "-", "\u00a0": " "})

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "ascii"
        return self._stream.write(text.translate(self.SIGNS).encode(encoding, "replace").decode(encoding))


def console(stream: TextIO | None = None, *, colour: bool = True) -> Console:
    """Return a console that takes text literally: no markup, no emoji, nothing coloured for being a number.

    Escape codes are written to terminals alone, and to none where `NO_COLOR` is set or `colour` is False: not
    even bold, which that variable leaves open.

    Parameters
    ----------
    stream
        Where to write; standard output by default.
    colour
        Whether a terminal may be written to in colour.
    """
    stream = stream or sys.stdout
    if not _takes_unicode(stream.encoding):
        stream = cast(TextIO, _Narrowed(stream))
    options: dict[str, Any] = {"file": stream, "markup": False, "highlight": False, "emoji": False}
    made = Console(**options)
    if not made.is_terminal:
        given = os.environ.get("COLUMNS", "")
        width = int(given) if given.isdigit() and int(given) > 0 else WIDTH_OF_FILES
        return Console(**options, color_system=None, width=width)
    return made if colour and not os.environ.get("NO_COLOR") else Console(**options, color_system=None)


def _takes_unicode(encoding: str | None) -> bool:
    return (encoding or "utf-8").lower().startswith("utf")  # A stream in memory has none and takes all.


def plain_table(on: Console, title: Text | None = None, *, header: bool = True) -> Table:
    """Return an empty table with a line under its header and none elsewhere, narrow where the terminal is."""
    return Table(
        box=SIMPLE_HEAD if _takes_unicode(on.encoding) else ASCII2,
        title=title,
        title_justify="left",
        show_header=header,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1) if on.width >= WIDTH_OF_FILES else (0, 0),
        header_style="bold",
    )


def literal(text: str, style: str = "") -> Text:
    """Return text that is shown as it stands, with what a terminal would take for a command made visible."""
    shown = "".join(mark if mark.isprintable() or mark == "\n" else ascii(mark)[1:-1] for mark in text)
    return Text(shown, style=style)
