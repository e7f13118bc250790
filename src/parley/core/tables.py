"""Tables too long to hold: rows one at a time, and the rows of one class after another's."""

import codecs
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

from parley.core.errors import ParleyError

Located = tuple[int, tuple[str, ...]]
"""Where a row begins in its file, in bytes, and its cells."""
_ROW_BYTES = 512
"""Most rows are shorter; a larger buffer is filled in vain for each row read out of order."""


def stream_table(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the wanted columns of a TSV with a header line, row by row, in the order asked for.

    Parameters
    ----------
    path
        The table, UTF-8; blank lines are passed over.
    columns
        Columns to yield; others are left out.

    Raises
    ------
    ParleyError
        When the file is missing, is not UTF-8, lacks a column, or has a row of another width.
    """
    return (cells for _, cells in located_rows(path, columns))


def located_rows(path: str | Path, columns: Sequence[str], start: int = 0) -> Iterator[Located]:
    """Do as `stream_table` does, and say where each row begins.

    Parameters
    ----------
    path
        The table.
    columns
        Columns to yield.
    start
        Where the first row wanted begins, as said before; 0 for all rows.
    """
    try:
        with Path(path).open("rb") as stream:
            line = stream.readline()
            header = _header(line)
            pick = _picker(path, header, columns)
            place = stream.seek(start) if start else len(line)
            # Only "\n" ends a line: str.splitlines would also break a URL at U+2028.
            for number, line in enumerate(stream, start=2):
                cells = _cells(line)
                if len(cells) == len(header) and cells != [""]:
                    yield place, pick(cells)
                elif cells != [""]:
                    where = f"byte {place}" if start else f"line {number}"
                    raise ParleyError(
                        f"{path}, {where}: {len(cells)} fields where the header has {len(header)}; "
                        "separate fields by single tabs."
                    )
                place += len(line)
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except UnicodeDecodeError as error:
        raise ParleyError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8.") from error


@contextmanager
def rows_by_offset(path: str | Path, columns: Sequence[str]) -> Iterator[Callable[[int], tuple[str, ...]]]:
    """Open a table for reading its rows in any order, by where they begin, as `located_rows` says it."""
    with Path(path).open("rb", buffering=_ROW_BYTES) as stream:
        pick = _picker(path, _header(stream.readline()), columns)

        def row_at(place: int) -> tuple[str, ...]:
            stream.seek(place)
            return pick(_cells(stream.readline()))

        yield row_at


def header_of(path: str | Path) -> list[str]:
    """Return the column names of a TSV."""
    try:
        with Path(path).open("rb") as stream:
            return _header(stream.readline())
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except UnicodeDecodeError as error:
        raise ParleyError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8.") from error


def stream_classes(
    path: str | Path, columns: Sequence[str], wanted: Collection[str] | None = None
) -> Iterator[tuple[str, Iterator[Located]]]:
    """Yield `(class, rows)` of a table whose rows stand together by class, holding one row at a time.

    Rows that are not taken are passed over when the next class is asked for.

    Parameters
    ----------
    path
        A TSV with the column `class`.
    columns
        The columns of each row, which follow the class.
    wanted
        Names of the classes to yield; None for all.
    """
    seen: set[str] = set()
    for name, rows in itertools.groupby(located_rows(path, ["class", *columns]), key=_class_of):
        if name in seen:
            raise ParleyError(f"{path}: the rows of class {name!r} do not stand together; remove it and run again.")
        seen.add(name)
        if wanted is None or name in wanted:
            yield name, rows


def _class_of(row: Located) -> str:
    return row[1][0]


def _header(line: bytes) -> list[str]:
    return _cells(line.removeprefix(codecs.BOM_UTF8))


def _cells(line: bytes) -> list[str]:
    return line.decode("utf-8").rstrip("\r\n").split("\t")


def _picker(
    path: str | Path, header: Sequence[str], columns: Sequence[str]
) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """Return what takes the wanted columns out of a row's cells."""
    missing = [column for column in columns if column not in header]
    if missing:
        raise ParleyError(
            f"{path} has no column {', '.join(missing)} in its first line; "
            f"it must be a tab-separated table with the columns {', '.join(columns)}."
        )
    places = [header.index(column) for column in columns]
    if len(places) > 1:
        return itemgetter(*places)
    return lambda cells: tuple(cells[place] for place in places)
