"""Terminal output of commands and of the workflow. It is coloured on a terminal and plain text elsewhere."""

import os
import sys
from typing import Any, TextIO, cast

from rich.box import ASCII2, SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parley.core.formats import printable
from parley.core.installation import as_typed

WIDTH_OF_FILES = 100
"""Line width if the output is not a terminal and `COLUMNS` is not set."""


class _Narrowed:
    """Wrapper of a text stream that replaces characters that the stream cannot encode, so that writing never fails."""

    SIGNS = str.maketrans({"–": "-", "→": "->", "…": "...", "·": "-", "\u00a0": " "})

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "ascii"
        return self._stream.write(text.translate(self.SIGNS).encode(encoding, "replace").decode(encoding))


def console(stream: TextIO | None = None, *, colour: bool = True) -> Console:
    """Return a console that prints text literally: no markup, no emoji, no automatic highlighting.

    Escape codes, for colours and bold text, are written only to a terminal, and only if `colour` is true and the
    environment variable `NO_COLOR` is not set.

    Parameters
    ----------
    stream
        Output stream; standard output by default.
    colour
        Whether to use colours on a terminal.
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
    return (encoding or "utf-8").lower().startswith("utf")  # In-memory streams have no encoding and take any text.


def plain_table(on: Console, title: Text | None = None, *, header: bool = True) -> Table:
    """Return an empty table with a rule only under its header, and without padding if the console is narrow."""
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
    """Return text that is printed literally, with control characters escaped and commands as they are typed."""
    return Text(printable(as_typed(text)), style=style)
