"""Stream tables that do not fit in memory: row by row, or class by class."""

import codecs
import contextlib
import itertools
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter
from pathlib import Path

from parley.core.errors import ParleyError


def stream_table(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the wanted columns of a TSV with a header line, row by row, in the order asked for.

    Parameters
    ----------
    path
        The table, UTF-8; blank lines are skipped.
    columns
        Columns to yield; others are left out.

    Raises
    ------
    ParleyError
        If the file is missing, is not UTF-8, lacks a column, or has a row with a wrong number of fields.
    """
    with _readable(path), Path(path).open("rb") as stream:
        header = _cells(stream.readline().removeprefix(codecs.BOM_UTF8))
        _require_columns(path, header, columns)
        indices = [header.index(column) for column in columns]
        # Only "\n" ends a line: str.splitlines would also break a URL at U+2028.
        for number, line in enumerate(stream, start=2):
            cells = _cells(line)
            if len(cells) == len(header) and cells != [""]:
                yield tuple([cells[index] for index in indices])
            elif cells != [""]:
                raise ParleyError(
                    f"{path}, line {number}: {len(cells)} fields where the header has {len(header)}; "
                    "separate fields by single tabs."
                )


def header_of(path: str | Path) -> list[str]:
    """Return the column names of a TSV."""
    with _readable(path), Path(path).open("rb") as stream:
        return _cells(stream.readline().removeprefix(codecs.BOM_UTF8))


def stream_classes(
    path: str | Path, columns: Sequence[str], wanted: Collection[str] | None = None
) -> Iterator[tuple[str, Iterator[tuple[str, ...]]]]:
    """Yield `(class, rows)` of a table whose rows are grouped by class, with one row at a time in memory.

    Rows that are not consumed are skipped when the next class is requested.

    Parameters
    ----------
    path
        A TSV with the column `class`.
    columns
        The columns of each row, after the class.
    wanted
        Names of the classes to yield; None for all.
    """
    seen: set[str] = set()
    for name, rows in itertools.groupby(stream_table(path, ["class", *columns]), key=itemgetter(0)):
        if name in seen:
            raise ParleyError(f"{path}, class {name!r}: the rows are not contiguous; remove the file and run again.")
        seen.add(name)
        if wanted is None or name in wanted:
            yield name, rows


def _cells(line: bytes) -> list[str]:
    return line.decode("utf-8").rstrip("\r\n").split("\t")


def _require_columns(path: str | Path, header: Sequence[str], required: Sequence[str]) -> None:
    missing = [column for column in required if column not in header]
    if missing:
        raise ParleyError(
            f"{path} has no column {', '.join(missing)} in its first line; "
            f"it must be a tab-separated table with the columns {', '.join(required)}."
        )


@contextlib.contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """Turn the errors of a missing file and of bytes that are not UTF-8 into `ParleyError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except UnicodeDecodeError as error:
        raise ParleyError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8.") from error
