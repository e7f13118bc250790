"""Escape text and format tables as LaTeX."""

import re
from collections.abc import Sequence

_MARKS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
}
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")


def escaped(text: str) -> str:
    """Escape text so that LaTeX typesets it literally, on one line."""
    return "".join(_MARKS.get(mark, mark) for mark in " ".join(text.split()))


def table(
    caption: str, label: str, header: Sequence[str], blocks: Sequence[tuple[str, Sequence[Sequence[str]]]]
) -> str:
    """Return a `table` environment with booktabs rules. All text except the label is escaped.

    Parameters
    ----------
    caption, label
        Caption and label of the table.
    header
        Column names.
    blocks
        Title and rows of each block. A horizontal rule separates the blocks.
    """
    lines = [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"\toprule",
        _row(header),
    ]
    for title, rows in blocks:
        lines += [r"\midrule", rf"\multicolumn{{{len(header)}}}{{l}}{{\emph{{{escaped(title)}}}}} \\"]
        lines += [_row(row) for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _row(cells: Sequence[str]) -> str:
    line = " & ".join(_MINUS.sub("$-$", escaped(cell)) for cell in cells)
    # LaTeX would read a leading bracket as the optional argument of the preceding line break.
    return ("{}" if line.startswith("[") else "") + rf"{line} \\"
