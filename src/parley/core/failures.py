"""Mark runs that failed in training, so that later stages skip them and the report counts them.

Whether a run diverges depends only on its settings and seed, so training it again would fail again. A failed run is
therefore a result, not an error, and must not stop the analysis of the other runs. In place of each file of a failed
run, later stages write a marker: a small JSON file with the reason for the failure.
"""

import contextlib
import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.files import read_json, write_json

logger = logging.getLogger(__name__)
KEY = "failed"
_BEGINNING = b'{\n  "failed": '
"""First bytes of a marker. No other file of a run begins with them."""


class FailedRunError(ParleyError):
    """Raised when a file of a run that failed in training is read.

    Parameters
    ----------
    why
        Reason for the failure, as a sentence.
    """

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"The run failed in training: {why}")


def write_marker(path: str | Path, why: str) -> None:
    """Write the marker of a failed run to `path`, instead of the file that a later stage would write."""
    write_json(path, {KEY: why})


def failure_in(path: str | Path) -> str | None:
    """Return the reason for the run's failure if `path` is a marker, otherwise None. The file need not exist."""
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as stream:
        if stream.read(len(_BEGINNING)) != _BEGINNING:
            return None
    return str(read_json(path)[KEY])


def raise_if_failed(path: str | Path) -> None:
    """Raise `FailedRunError` if the file is a marker."""
    if (why := failure_in(path)) is not None:
        raise FailedRunError(why)


def successful(paths: Iterable[str]) -> list[str]:
    """Return the paths that are not markers of failed runs."""
    return [path for path in paths if failure_in(path) is None]


@contextlib.contextmanager
def propagate_failure(outputs: Iterable[str | Path]) -> Iterator[None]:
    """If the `with` block raises `FailedRunError`, write a marker to each path in `outputs`; the job then succeeds."""
    try:
        yield
    except FailedRunError as failure:
        for path in outputs:
            write_marker(path, failure.why)
        logger.warning("%s", failure)


def failed_runs(outputs: Iterable[str]) -> dict[str, str]:
    """Return the reason why training failed, by run folder, from the last line of each metrics.jsonl."""
    found = {}
    for path in map(Path, outputs):
        if path.name == "metrics.jsonl" and path.is_file():
            last = path.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
            try:
                line = json.loads(last)
            except (ValueError, RecursionError):  # The stages that read the log report that it is damaged.
                continue
            if isinstance(line, dict) and line.get("kind") == "failed":
                found[str(path.parent)] = str(line.get("why"))
    return found
