"""Tables too long to hold: rows one at a time, and the stretch of rows of one class at a time."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from parley.errors import ParleyError


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
    try:
        # Only "\n" ends a line: str.splitlines would also break a URL at U+2028.
        with Path(path).open(encoding="utf-8", newline="\n") as stream:
            header = stream.readline().rstrip("\r\n").removeprefix("\ufeff").split("\t")
            places = _places(path, header, columns)
            for number, line in enumerate(stream, start=2):
                line = line.rstrip("\r\n")
                if not line:
                    continue
                cells = line.split("\t")
                if len(cells) != len(header):
                    raise ParleyError(
                        f"{path}, line {number}: {len(cells)} fields where the header has {len(header)}; "
                        "separate fields by single tabs."
                    )
                yield tuple(cells[place] for place in places)
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except UnicodeDecodeError as error:
        raise ParleyError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8.") from error


def header_of(path: str | Path) -> list[str]:
    """Return the column names of a TSV."""
    try:
        with Path(path).open(encoding="utf-8", newline="\n") as stream:
            return stream.readline().rstrip("\r\n").removeprefix("\ufeff").split("\t")
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except UnicodeDecodeError as error:
        raise ParleyError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8.") from error


def stream_classes(
    path: str | Path, columns: Sequence[str], wanted: Collection[str] | None = None
) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Yield `(class, rows)` of a table whose rows stand together by class, holding one class at a time.

    Parameters
    ----------
    path
        A TSV with the column `class`.
    columns
        The columns of each row, besides the class.
    wanted
        Names of the classes to yield; None for all.
    """
    seen: set[str] = set()
    rows = stream_table(path, ["class", *columns])
    for name, stretch in itertools.groupby(rows, key=lambda row: row[0]):
        if name in seen:
            raise ParleyError(f"{path}: the rows of class {name!r} do not stand together; remove it and run again.")
        seen.add(name)
        if wanted is None or name in wanted:
            yield name, [row[1:] for row in stretch]


def _places(path: str | Path, header: Sequence[str], columns: Sequence[str]) -> list[int]:
    missing = [column for column in columns if column not in header]
    if missing:
        raise ParleyError(
            f"{path} has no column {', '.join(missing)} in its first line; "
            f"it must be a tab-separated table with the columns {', '.join(columns)}."
        )
    return [header.index(column) for column in columns]
