"""Arguments that several commands share, and the conversion of errors to messages and exit statuses."""

import argparse
import contextlib
import io
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from parley.core.errors import Findings, ParleyError
from parley.core.files import no_file, written_aside
from parley.core.markdown import with_table
from parley.interaction.eval_sets import CANDIDATES
from parley.plugins.loading import cause_of, place_in_plugin
from parley.provenance.hashing import check_undamaged
from parley.provenance.records import existing_workflow_path

logger = logging.getLogger(__name__)
TRACEBACK = "PARLEY_TRACEBACK"
"""Environment variable that makes an unexpected error print its traceback."""

Subparsers = Any  # The type that argparse uses is private.


def positive(text: str) -> int:
    """Parse a positive integer, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


positive.__name__ = "number above 0"  # argparse prints this name: "invalid number above 0 value".


def add_text(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the descriptions and word vectors that the Receiver reads."""
    parser.add_argument("--descriptions", type=Path, required=True, metavar="CSV", help="descriptions.csv")
    parser.add_argument("--words", type=Path, required=True, metavar="HDF5", help="words.hdf5")


def add_candidates(parser: argparse.ArgumentParser) -> None:
    """Add the argument that selects the candidate classes."""
    parser.add_argument(
        "--candidates",
        choices=CANDIDATES,
        default="seen",
        help="candidate classes: seen (those in training, the default), all (all described classes), seen+own (those "
        "in training and those in the file of features) or own (only those in the file of features)",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the number of torch threads."""
    parser.add_argument(
        "--threads", type=positive, default=1, help="number of CPU threads; 1 by default, as in the workflow"
    )


def require_files(paths: Sequence[Path]) -> None:
    """Raise `ParleyError` if files are missing, are not regular files, or have changed since a stage wrote them.

    The error lists them all.
    """
    findings = Findings()
    findings.extend(f"{path} does not exist; check the path." for path in paths if not path.exists())
    findings.extend(f"{path} is {no_file(path)}; give the path of a file." for path in paths if no_file(path))
    findings.raise_if_any()
    check_undamaged(paths)


def insert_table(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace the lines between the markers of the table `name` in a Markdown page by `lines`.

    If the page is a link, the file that it refers to is changed. The permissions of the file are kept.
    """
    require_files([page])
    try:
        document = page.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ParleyError(f"{page} is not UTF-8 text ({error.reason}); save it as UTF-8.") from error
    try:
        changed = with_table(document, name, lines)
    except ParleyError as error:
        raise ParleyError(f"{page}: {finding}" for finding in error.findings) from error
    with written_aside(page.resolve()) as aside:
        aside.write_bytes(changed.encode())
        shutil.copymode(page, aside)


@contextlib.contextmanager
def workflow_folder(path: Path) -> Iterator[str]:
    """Change to the folder that contains the `results/` or `resources/` of `path`, and yield the path from there."""
    root, name = existing_workflow_path(path)
    with contextlib.chdir(root):
        yield name


def finish(run: Callable[[argparse.Namespace], int | None], chosen: argparse.Namespace) -> int:
    """Run a command and return its exit status. Errors are printed without a traceback.

    The status is the command's return value, or 0 if the command returns None. After an error, the status is
    `chosen.status_of_error`, or 1 if this attribute is not set.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # Print ? for characters that the terminal cannot encode.
    with _logging_to_terminal():
        return _status_of(run, chosen)


def _status_of(run: Callable[[argparse.Namespace], int | None], chosen: argparse.Namespace) -> int:
    of_error = getattr(chosen, "status_of_error", 1)
    try:
        status = run(chosen)
        sys.stdout.flush()
    except ParleyError as error:
        return _fail(*error.findings, status=of_error)
    except KeyboardInterrupt:
        return _fail("Stopped.", status=130)
    except BrokenPipeError:  # The reader of the output, such as `head`, has closed it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:
        return _fail(
            f"{error.filename or chosen.command}: {error.strerror or error}; check the path and its permissions.",
            status=of_error,
        )
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and not place_in_plugin(error):
            raise
        if os.environ.get(TRACEBACK):
            logger.exception("Unexpected")
        return _fail(
            f"{cause_of(error)}; set the environment variable {TRACEBACK}=1 to see the traceback.",
            status=of_error,
        )
    return status or 0


def _fail(*sentences: str, status: int) -> int:
    sys.stderr.writelines(f"{sentence}\n" for sentence in sentences)
    return status


@contextlib.contextmanager
def _logging_to_terminal() -> Iterator[None]:
    """Print the library's log messages to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    library = logging.getLogger("parley")
    level = library.level
    library.addHandler(handler)
    library.setLevel(logging.INFO)
    try:
        yield
    finally:
        library.removeHandler(handler)
        library.setLevel(level)
