"""Text and tables as LaTeX that shows just that text."""

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
    """Return text so that LaTeX sets it as it is, on one line."""
    return "".join(_MARKS.get(mark, mark) for mark in " ".join(text.split()))


def table(
    caption: str, label: str, header: Sequence[str], blocks: Sequence[tuple[str, Sequence[Sequence[str]]]]
) -> str:
    """Return a `table` with the lines of the package booktabs; all is text that is escaped here.

    Parameters
    ----------
    caption, label
        Of the table; the label is used as it is.
    header
        Names of the columns.
    blocks
        Title and rows of each block, between which a line is drawn.
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
    # A bracket here would be taken for the argument of the line break before it.
    return ("{}" if line.startswith("[") else "") + rf"{line} \\"
