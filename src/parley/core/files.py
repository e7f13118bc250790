"""Reading and writing files so that what lies under a final name is complete."""

import contextlib
import csv
import errno
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError

_ASIDE_NAME = re.compile(r"\..+\.[0-9a-f]{12}\.part")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextlib.contextmanager
def written_aside(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` if the block ends well.

    The temporary file is removed when the block raises, so that a failure leaves neither a
    partial file under the final name nor litter beside it.

    Raises
    ------
    ParleyError
        When the folder cannot be written to, or the disk is full.
    """
    final = Path(path)
    # Not tempfile: its files are private to their owner, and those results are shared.
    aside = final.parent / f".{final.name}.{secrets.token_hex(6)}.part"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        aside.replace(final)
    except (OSError, RuntimeError) as error:  # RuntimeError: how HDF5 tells of a disk that is full as it closes a file.
        if (reason := _reason_not_to_write(error, aside)) is None:
            raise
        raise ParleyError(
            f"{final} cannot be written ({reason}). Make room, or see to the folder's permissions, "
            "and run again: what is finished stays."
        ) from error
    finally:
        with contextlib.suppress(NotADirectoryError):
            aside.unlink(missing_ok=True)


def _reason_not_to_write(error: OSError | RuntimeError, aside: Path) -> str | None:
    """Return why the disk or the folder took no file; None where something else went wrong meanwhile."""
    for number in _NO_ROOM:
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):  # HDF5 only tells.
            return os.strerror(number)
    if isinstance(error, RuntimeError):
        return None
    at_fault = error.filename is not None and Path(error.filename) in (aside, *aside.parents)
    return (error.strerror or str(error)) if at_fault else None


def remove_leftovers(path: str | Path) -> None:
    """Remove what processes killed while they wrote `path` left beside it; nobody else may be writing it now."""
    final = Path(path)
    for aside in final.parent.glob(f".{glob.escape(final.name)}.*.part"):
        aside.unlink(missing_ok=True)


def remove_all_leftovers(folders: Iterable[str | Path]) -> list[Path]:
    """Remove what killed processes left half written under a temporary name; nobody may be at work there.

    Parameters
    ----------
    folders
        Where final files lie; folders below them are not looked at.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    for folder in sorted({Path(folder) for folder in folders}):
        try:
            with os.scandir(folder) as entries:
                found = [Path(entry.path) for entry in entries if _ASIDE_NAME.fullmatch(entry.name) and entry.is_file()]
        except (FileNotFoundError, NotADirectoryError):
            continue
        for path in found:
            with contextlib.suppress(OSError):  # A cache may be mounted read-only.
                path.unlink()
                removed.append(path)
    return removed


def write_text(path: str | Path, text: str) -> None:
    """Write text (UTF-8) atomically."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, indented, with a final newline; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; a malformed one raises `ParleyError` with its name."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    # ValueError: also a number of more digits than Python reads. RecursionError: brackets within brackets.
    except (ValueError, RecursionError) as error:
        raise ParleyError(f"{path} is not valid JSON ({error}); remove it and run again.") from error
    except OSError as error:
        raise ParleyError(f"{path} cannot be read ({error.strerror}); run the stage that makes it.") from error


def read_lines(path: str | Path) -> list[str]:
    """Read the lines of a text (UTF-8); a file that is none, or not there, raises `ParleyError` with its name."""
    try:
        return Path(path).read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ParleyError(f"{path} is not UTF-8 text ({error.reason}); remove it and run again.") from error
    except OSError as error:
        raise ParleyError(f"{path} cannot be read ({error.strerror}); run the stage that makes it.") from error


def write_table(path: str | Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a TSV with a header line atomically; tabs and newlines inside a value are refused."""
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        stream.write("\t".join(columns) + "\n")
        for row in rows:
            cells = ["" if cell is None else str(cell) for cell in row]
            if any(mark in cell for cell in cells for mark in "\t\r\n"):
                raise ParleyError(f"A value of {cells} holds a tab or a line break and cannot go into {path}.")
            stream.write("\t".join(cells) + "\n")


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows by column as CSV with a header line, atomically; None is an empty cell, a bool `yes` or `no`."""
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row[column]) for column in columns] for row in rows)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def read_csv(path: str | Path) -> list[dict[str, str]]:
    """Read a CSV that `write_csv` wrote; cells as text."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except OSError as error:
        raise ParleyError(f"{path} cannot be read ({error.strerror}); make it again.") from error


def read_table(path: str | Path, required: Sequence[str]) -> list[dict[str, str]]:
    """Read a TSV with a header line into a list of rows.

    Parameters
    ----------
    path
        The table.
    required
        Columns that must be there; others are kept.

    Raises
    ------
    ParleyError
        When the file is missing, is not UTF-8, lacks a column, or has a row of another width.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            header = next(reader, [])
            missing = [column for column in required if column not in header]
            if missing:
                raise ParleyError(
                    f"{path} has no column {', '.join(missing)} in its first line; "
                    f"it must be a tab-separated table with the columns {', '.join(required)}."
                )
            rows = []
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise ParleyError(
                        f"{path}, line {reader.line_num}: {len(cells)} fields where the header has {len(header)}; "
                        "separate fields by single tabs."
                    )
                rows.append(dict(zip(header, cells, strict=True)))
            return rows
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except OSError as error:
        raise ParleyError(f"{path} cannot be read ({error.strerror}); name a file.") from error
    except UnicodeDecodeError as error:
        raise ParleyError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8."
        ) from error


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(value: Any, digits: int = 12) -> str:
    """Return a short hexadecimal digest of a JSON-able value, the same for equal values."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def copy_file(source: str | Path, destination: str | Path) -> None:
    """Copy a file's bytes atomically."""
    with written_aside(destination) as aside:
        shutil.copyfile(source, aside)
