"""Read files, and write them atomically, so that a file under its final name is always complete."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError

ASIDE_NAME = re.compile(r"\..+\.[0-9a-f]{12}\.part")
"""Pattern of the names of temporary files; those of processes that were killed remain."""
EMPTY, COMPRESSED, ZIP = "empty", "compressed", "a ZIP archive"
"""Descriptions by `mistaken_for` of files that some readers accept."""
_MISTAKEN = (
    (
        re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head)", re.IGNORECASE),
        "an HTML page, such as a login or error page",
        "",
    ),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<\?xml"), "an XML page, such as an error message", ""),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer", "run `git lfs pull`"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "compressed by zstd", "decompress it"),
    (re.compile(rb"\x04\x22\x4d\x18"), "compressed by lz4", "decompress it"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7z archive", "unpack it"),
    (re.compile(rb"Rar!\x1a\x07"), "a RAR archive", "unpack it"),
    (re.compile(rb"\x1f\x8b|BZh[1-9]1AY|\xfd7zXZ"), COMPRESSED, "decompress it"),
    (
        re.compile(rb"PK\x03\x04.{26}(\[Content_|_rels/|docProps|xl/|mimetypeapp)", re.DOTALL),
        "a spreadsheet",
        "export it",
    ),
    (re.compile(rb"PK\x03\x04"), ZIP, "unpack it"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an old Office spreadsheet or document", "export it"),
    (re.compile(rb"%PDF-"), "a PDF", "export its table"),
    (re.compile(rb"PAR1\x15"), "a Parquet file", "export it"),
    (re.compile(rb"\x89HDF\r\n"), "HDF5", ""),
    (re.compile(rb"\x93NUMPY"), "a NumPy array (.npy)", ""),
    (re.compile(rb"MATLAB 5\.0"), "a MATLAB file of version 5", "save it with -v7.3"),
    (re.compile(rb"\x80[\x02-\x05]"), "a pickle", ""),
)
"""Kinds of files that are given by mistake: a pattern of their first bytes, a description, and advice."""
_OTHER_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextlib.contextmanager
def written_aside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename the file to `path` if the `with` block succeeds.

    The temporary file is removed if the block raises, so a failure leaves no partial or temporary file.

    Raises
    ------
    ParleyError
        If the path is a folder, named pipe or device, the folder is not writable, or the disk is full.
    """
    final = Path(path)
    # `tempfile` is not used, because only the owner can read its files, and results are shared.
    aside = final.parent / f".{final.name}.{secrets.token_hex(6)}.part"
    try:
        with explained_write_errors(final, aside):
            _check_place(final)
            final.parent.mkdir(parents=True, exist_ok=True)
            yield aside
            aside.replace(final)
    finally:
        with contextlib.suppress(OSError):  # The file is renamed, or the error of the block says what is wrong.
            aside.unlink()


def _check_place(final: Path) -> None:
    """Raise `ParleyError` if a path is not a file that may be replaced, or a file is where a folder must be."""
    if kind := no_file(final):
        raise ParleyError(f"{final} is {kind}, which would be replaced by a file; choose another path.")
    folder = next((one for one in final.parents if one.exists()), None)
    if folder and not folder.is_dir():
        raise ParleyError(f"{folder} is {no_file(folder) or 'a file'}, not a folder; choose another path.")


@contextlib.contextmanager
def explained_write_errors(final: Path, aside: Path) -> Iterator[None]:
    """Raise a `ParleyError` instead of an error that says that `aside`, later renamed to `final`, is not writable."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # HDF5 raises RuntimeError if the disk is full when it closes a file.
        if (reason := _reason_not_to_write(error, aside)) is None:
            raise
        raise ParleyError(
            f"{final} cannot be written ({reason}). Free disk space or fix the folder's permissions, "
            "then run again: finished files are kept."
        ) from error


def _reason_not_to_write(error: OSError | RuntimeError, aside: Path) -> str | None:
    """Return why the disk or folder cannot be written to; None if the error has another cause."""
    for number in _NO_ROOM:
        # HDF5 states the reason only in the text of its errors.
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
            return os.strerror(number)
    if isinstance(error, RuntimeError):
        return None
    at_fault = error.filename is not None and Path(error.filename) in (aside, *aside.parents)
    return (error.strerror or str(error)) if at_fault else None


def remove_leftovers(path: str | Path) -> None:
    """Remove temporary files left by processes killed while writing `path`; no process may be writing `path` now."""
    final = Path(path)
    for aside in final.parent.glob(f".{glob.escape(final.name)}.*.part"):
        aside.unlink(missing_ok=True)


def remove_all_leftovers(folders: Iterable[str | Path]) -> list[Path]:
    """Remove temporary files that killed processes left in folders; no process may be writing in the folders now.

    Parameters
    ----------
    folders
        Folders to search; their subfolders are not searched.

    Returns
    -------
    list of Path
        The removed files.
    """
    removed = []
    for folder in sorted({Path(folder) for folder in folders}):
        try:
            with os.scandir(folder) as entries:
                found = [Path(entry.path) for entry in entries if ASIDE_NAME.fullmatch(entry.name) and entry.is_file()]
        except (FileNotFoundError, NotADirectoryError):
            continue
        for path in found:
            with contextlib.suppress(OSError):  # Fails in a cache that is mounted read-only.
                path.unlink()
                removed.append(path)
    return removed


def write_text(path: str | Path, text: str) -> None:
    """Write text (UTF-8) atomically."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, indented, with a final newline; NaN raises `ValueError`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raise `ParleyError` if it is malformed or unreadable."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    # ValueError includes integers with too many digits for Python; RecursionError comes from deeply nested brackets.
    except (ValueError, RecursionError) as error:
        raise ParleyError(f"{path} is not valid JSON ({error}); remove it and run again.") from error
    except OSError as error:
        raise ParleyError(f"{path} cannot be read ({error.strerror}); run the stage that writes it.") from error


def read_lines(path: str | Path) -> list[str]:
    """Read the lines of a UTF-8 text file; raise `ParleyError` if it is missing or not UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ParleyError(f"{path} is not UTF-8 text ({error.reason}); remove it and run again.") from error
    except OSError as error:
        raise ParleyError(f"{path} cannot be read ({error.strerror}); run the stage that writes it.") from error


def mistaken_for(path: str | Path) -> tuple[str, str]:
    """Return what a file that cannot be read is, such as an HTML page, and what to do; empty strings if unknown."""
    if kind := no_file(path):
        return kind, "give the path of a file"
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(512)
    except OSError:
        return "", ""
    return mistaken_content(head)


def mistaken_content(head: bytes) -> tuple[str, str]:
    """Return what `mistaken_for` returns, given the first bytes of a file or of its decompressed content."""
    if not head:
        return EMPTY, ""
    return next(((kind, fix) for pattern, kind, fix in _MISTAKEN if pattern.match(head)), ("", ""))


def no_file(path: str | Path) -> str:
    """Return the kind of a path that is not a regular file, such as a named pipe; opening it could block forever.

    The result is empty for a regular file, and for a path that does not exist.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):  # A NUL in a path raises ValueError.
        return ""
    return next((kind for is_kind, kind in _OTHER_KINDS if is_kind(mode)), "")


def remedy(path: str | Path) -> str:
    """Return the remedy for a damaged file: a stage makes it again, or it is the user's own."""
    is_made = Path(os.path.relpath(path)).parts[:1] in (("results",), ("resources",))
    return "remove it and run again" if is_made else "make or download it again"


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(value: Any, digits: int = 12) -> str:
    """Return a short hexadecimal digest of a JSON-serialisable value; equal values have equal digests."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def copy_file(source: str | Path, destination: str | Path) -> None:
    """Copy a file's bytes atomically. On file systems that can, the copy shares the disk space of the original."""
    with written_aside(destination) as aside, Path(source).open("rb") as original, aside.open("xb") as copy:
        try:
            while os.copy_file_range(original.fileno(), copy.fileno(), 1 << 30):
                pass
        except (OSError, AttributeError):  # Another file system, or not Linux.
            original.seek(0)
            copy.seek(0)
            copy.truncate()
            shutil.copyfileobj(original, copy)


def keep_date(path: str | Path) -> bool:
    """Reset a file's modification date to the recorded one if the content is unchanged; otherwise record both.

    The record is a JSON file in the hidden folder `.made` next to the file. It contains the date and the SHA-256.

    Returns
    -------
    bool
        False if the content has changed since it was recorded; True if it has not, or if there was no record.
    """
    record = Path(path).parent / ".made" / f"{Path(path).name}.json"
    sha256 = sha256_of(path)
    before = read_json(record) if record.exists() else {}
    unchanged = before.get("sha256") == sha256
    if unchanged and before["mtime_ns"] <= time.time_ns():  # Not a date in the future, from another machine.
        os.utime(path, ns=(before["mtime_ns"], before["mtime_ns"]))
        return True
    write_json(record, {"sha256": sha256, "mtime_ns": Path(path).stat().st_mtime_ns})
    return unchanged or not before


def expand_home(path: str | Path) -> Path:
    """Return a path with `~` expanded; unlike with `Path.expanduser`, the same path if there is no such user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def is_web_url(address: str) -> bool:
    """Return whether an address is an http or https URL rather than a path."""
    return address[:7].lower() == "http://" or address[:8].lower() == "https://"


def files_in(paths: Iterable[str | Path], suffix: str) -> list[str]:
    """Return the paths, with each folder (a shard of several classes) replaced by its sorted files with `suffix`."""
    found: list[str] = []
    for path in map(Path, paths):
        # `glob` is not used: it would interpret brackets in the folder's name.
        inside = sorted(one for one in path.iterdir() if one.suffix == suffix) if path.is_dir() else [path]
        found += [str(one) for one in inside if not one.name.startswith(".")]
    return found


def by_class(paths: Iterable[str | Path], suffix: str) -> dict[str, str]:
    """Return the paths from `files_in` by class name. A file is named after its class."""
    return {Path(path).stem: path for path in files_in(paths, suffix)}


def files_for(sources: Iterable[str | Path], outputs: Sequence[str], suffix: str) -> list[str]:
    """Return the paths of the output files, one for each input file.

    Parameters
    ----------
    sources
        Input files, one for each class.
    outputs
        Output files, one for each input file in the same order; or one folder (a shard) for all of them, created here.
    suffix
        Suffix of the output files.
    """
    if outputs[0].endswith(suffix):
        return list(outputs)
    folder = Path(outputs[0])
    folder.mkdir(parents=True, exist_ok=True)
    return [str(folder / f"{Path(source).stem}{suffix}") for source in sources]
