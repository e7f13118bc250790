"""Read and write tables: TSV with a header line, as streams or as lists of rows, and CSV for people."""

import contextlib
import csv
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import written_aside
from parley.core.text import delimiter_found, opened_text, plain_cell

_FORMULA = re.compile(r"'*[=+\-@\t]")
_ESCAPED = re.compile(r"^'('*[=+\-@\t])")
"""Beginnings of text that a spreadsheet would take for a formula, and of the same text with an apostrophe in front."""


def read_table(path: str | Path, required: Sequence[str]) -> list[dict[str, str]]:
    """Read a TSV with a header line into a list of rows.

    Parameters
    ----------
    path
        The table.
    required
        Required columns; other columns are read, too.

    Raises
    ------
    ParleyError
        If the file cannot be read, is not UTF-8 or UTF-16, lacks a column or has it twice or without a name, or has a
        row with a wrong number of fields or a line end inside a line.
    """
    with _opened(path) as (header, lines):
        check_header(path, header, required)
        rows = [(1, header), *lines]
        for number, cells in rows:
            if any(mark in cell for cell in cells for mark in "\r\n"):
                raise ParleyError(_mixed(path, number, cells))
        return [dict(zip(header, cells, strict=True)) for _, cells in rows[1:]]


def stream_table(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the given columns, in their order, for each row of a TSV with a header line.

    Parameters
    ----------
    path
        The table; blank lines are skipped.
    columns
        Columns to yield.

    Raises
    ------
    ParleyError
        If the file cannot be read, is not UTF-8 or UTF-16, lacks a column, or has a row with a wrong number of fields.
    """
    with _opened(path) as (header, lines):
        if problem := column_problem(path, header, columns):
            raise ParleyError(problem)
        indices = [header.index(column) for column in columns]
        # itemgetter takes half the time of a comprehension, which matters for tables with millions of rows.
        pick = itemgetter(*indices) if len(indices) > 1 else lambda cells: tuple(cells[index] for index in indices)
        for _, cells in lines:
            yield pick(cells)


def stream_classes(
    path: str | Path, columns: Sequence[str], wanted: Collection[str] | None = None
) -> Iterator[tuple[str, Iterator[tuple[str, ...]]]]:
    """Yield the name of each class and an iterator over its rows, from a table grouped by class.

    Only one row is kept in memory. Rows that are not consumed are skipped when the next class is requested.

    Parameters
    ----------
    path
        A TSV with the column `class`.
    columns
        Columns that follow the class in each yielded row.
    wanted
        Names of the classes to yield; None for all classes.
    """
    seen: set[str] = set()
    for name, rows in itertools.groupby(stream_table(path, ["class", *columns]), key=itemgetter(0)):
        if name in seen:
            raise ParleyError(f"{path}, class {name!r}: the rows are not contiguous; remove the file and run again.")
        seen.add(name)
        if wanted is None or name in wanted:
            yield name, rows


def header_of(path: str | Path) -> list[str]:
    """Return the column names of a TSV."""
    with _opened(path) as (header, _):
        return header


def write_table(path: str | Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a TSV with a header line atomically; a tab or line break in a value raises `ParleyError`."""
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        stream.write("\t".join(columns) + "\n")
        for row in rows:
            cells = ["" if cell is None else str(cell) for cell in row]
            if any(mark in cell for cell in cells for mark in "\t\r\n"):
                raise ParleyError(f"A value of {cells} contains a tab or a line break and cannot be written to {path}.")
            stream.write("\t".join(cells) + "\n")


def read_csv(path: str | Path) -> list[dict[str, str]]:
    """Read a CSV written by `write_csv`; all values are strings."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as stream:
            lines = ([_ESCAPED.sub(r"\1", cell) for cell in cells] for cells in csv.reader(stream))
            header = next(lines, [])
            return [dict(zip(header, cells, strict=False)) for cells in lines if cells]
    except OSError as error:
        raise ParleyError(f"{path} cannot be read ({error.strerror}); run the stage that writes it.") from error


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV with a header line, atomically. None becomes an empty cell, True `yes`, and False `no`.

    Text that a spreadsheet would take for a formula gets an apostrophe in front, which `read_csv` removes.
    """
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row[column]) for column in columns] for row in rows)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else "" if value is None else str(value)


def check_header(path: str | Path, header: Sequence[str], required: Sequence[str], delimiter: str = "tab") -> None:
    """Raise `ParleyError` if the first line of a table lacks a required column, or has one twice or without a name."""
    if problem := column_problem(path, header, required, delimiter=delimiter):
        raise ParleyError(problem)
    if "" in header:
        raise ParleyError(
            f"{path} has a column without a name in its first line, such as pandas' index; name it, or remove it "
            "from every line."
        )
    if repeated := [column for column in header if header.count(column) > 1]:
        raise ParleyError(f"{path} has several columns named {repeated[0]!r} in its first line; rename all but one.")


def column_problem(
    path: str | Path, header: Sequence[str], required: Sequence[str], listed: str = "", delimiter: str = "tab"
) -> str:
    """Return the error message for a table that lacks a required column; an empty string if it lacks none.

    Parameters
    ----------
    path
        The table, for the message.
    header
        Cells of its first line.
    required
        Required columns.
    listed
        Text that lists them in the message; by default, their names.
    delimiter
        Name of the character between columns.
    """
    missing = [column for column in required if column not in header]
    if not missing:
        return ""
    wanted = f"it must be a {delimiter}-separated table with the columns {listed or ', '.join(required)}."
    if header == [""]:
        return f"{path} is empty, or begins with an empty line; {wanted}"
    if set(required) <= {plain_cell(name).lower() for name in header}:
        written = ", ".join(repr(name) for name in header if plain_cell(name).lower() in missing)
        return f"{path} has {written} in its first line; write names in lower case, without quotes or spaces: {wanted}"
    other = delimiter_found(header[0], lambda cells: {*required} <= {cell.lower() for cell in cells})
    if other and len(header) == 1:
        return f"{path} has its columns separated by {other}, not {delimiter}s; {wanted}"
    return f"{path} has no column {', '.join(missing)} in its first line; {wanted}"


def _mixed(path: str | Path, number: int, cells: Sequence[str]) -> str:
    """Return the error message for a line with a line end of another system in it."""
    mark = "carriage return" if any("\r" in cell for cell in cells) else "line feed"
    return f"{path}, line {number} contains a {mark} inside a line; save it with the line ends of Unix or Windows."


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    """Open a TSV, and yield its header and an iterator over the line number and cells of each further line."""
    with opened_text(path) as stream:
        header = _cells(stream.readline())
        yield header, _lines(path, len(header), stream)


def _lines(path: str | Path, fields: int, stream: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    # The stream divides the text into lines: str.splitlines would also break a URL at U+2028.
    for number, line in enumerate(stream, start=2):
        cells = _cells(line)
        if len(cells) == fields and cells != [""]:
            yield number, cells
        elif any("\r" in cell or "\n" in cell for cell in cells):
            raise ParleyError(_mixed(path, number, cells))
        elif cells != [""]:
            raise ParleyError(
                f"{path}, line {number} has {len(cells)} fields, but the header has {fields}; "
                "separate fields by single tabs."
            )


def _cells(line: str) -> list[str]:
    return line.rstrip("\r\n").split("\t")
