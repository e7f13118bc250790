"""Checks of the machine before the first job: whether files can be written, and the dates of the inputs."""

import contextlib
import os
import shlex
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from parley.core.formats import counted, listed

LEAST_BYTES = 1 << 20
"""Free space needed in a folder of temporary files, logs or results, for anything to run at all."""
MOST_LISTED = 3
_SKEW_S = 2.0
"""Dates later than now by this much are accepted: the clock of a file server may differ from this machine's."""


def write_problems(folders: Iterable[str | Path]) -> list[str]:
    """Return an error message for each folder, or its nearest that exists, in which `LEAST_BYTES` cannot be written."""
    temporary = {_existing(folder) for folder in temporary_folders()}
    problems = []
    for folder in dict.fromkeys(map(_existing, folders)):
        try:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                _fill(file.fileno())
        except OSError as error:
            problems.append(
                f"{folder} cannot be written to ({error.strerror}); free disk space or fix the folder's permissions"
                f"{', or set TMPDIR to another folder' if folder in temporary else ''}."
            )
    return problems


def temporary_folders() -> list[Path]:
    """Return the folders in which jobs, and the solver with which Snakemake selects jobs, write temporary files."""
    asked = os.environ.get("TMP") or os.environ.get("TMPDIR") or tempfile.gettempdir()  # As PuLP does.
    return [Path(asked), Path(tempfile.gettempdir())]


def _existing(folder: str | Path) -> Path:
    return next(one for one in (Path(folder), *Path(folder).parents) if one.is_dir())


def _fill(descriptor: int) -> None:
    zeros = bytes(LEAST_BYTES)
    written = 0
    while written < LEAST_BYTES:  # A disk that is nearly full takes a part, and refuses the next.
        written += os.write(descriptor, zeros[written:])


def date_problems(inputs: Iterable[str]) -> list[str]:
    """Return an error message if the modification dates of input files are in the future.

    Snakemake would fail after a job, whose outputs are older than the input, and run the job again in each call.
    """
    now = time.time()
    late = sorted(path for path in set(inputs) if _date(path) > now + _SKEW_S)
    if not late:
        return []
    places = shlex.join(dict.fromkeys(_place(path) for path in late))
    return [
        f"{counted(len(late), 'input')} {'has a date' if len(late) == 1 else 'have dates'} in the future "
        f"({listed(late, MOST_LISTED)}), so Snakemake would consider every output outdated. "
        f'If this machine\'s clock is right, run `find {places} -newermt "$(date +%FT%T)" '
        '-exec touch -d "$(date +%FT%T)" {} +`, which keeps their order.'
    ]


def _date(path: str) -> float:
    """Return the date of a file as Snakemake compares it; 0 if there is no such file."""
    dates = [0.0]
    stamp = Path(path, ".snakemake_timestamp")  # Snakemake's date of a folder.
    with contextlib.suppress(OSError):
        dates += [Path(path).lstat().st_mtime, stamp.stat().st_mtime if stamp.exists() else Path(path).stat().st_mtime]
    return max(dates)


def _place(path: str) -> str:
    """Return the folder of an experiment's results, the folder of resources, or the file of a user."""
    parts = Path(path).parts
    return str(Path(*parts[: {"results": 2, "resources": 1}.get(parts[0], len(parts))]))
