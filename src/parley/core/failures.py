"""Runs that failed in training, which later stages pass over and the report counts.

That a run diverges follows from its settings and its seed: trained again it would diverge again. So it is a result
and no error, and must keep nothing from being told of the other runs. In place of each file that a later stage
would make of such a run stands a marker, a small JSON that says why.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.files import read_json, write_json

logger = logging.getLogger(__name__)
KEY = "failed"
_BEGINNING = b'{\n  "failed": '
"""What no other file of a run begins with."""


class FailedRunError(ParleyError):
    """Something was asked of a run that failed in training.

    Parameters
    ----------
    why
        A sentence.
    """

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"The run failed in training: {why}")


def write_marker(path: str | Path, why: str) -> None:
    """Write the marker of a run that failed in place of a file."""
    write_json(path, {KEY: why})


def failure_in(path: str | Path) -> str | None:
    """Return why a run failed, where a file of it is a marker; None where it is what its name says, or missing."""
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as stream:
        if stream.read(len(_BEGINNING)) != _BEGINNING:
            return None
    return str(read_json(path)[KEY])


def raise_if_failed(path: str | Path) -> None:
    """Raise `FailedRunError` where a file is a marker."""
    if (why := failure_in(path)) is not None:
        raise FailedRunError(why)


def successful(paths: Iterable[str]) -> list[str]:
    """Return those of several runs' files that are no markers."""
    return [path for path in paths if failure_in(path) is None]


@contextlib.contextmanager
def propagate_failure(outputs: Iterable[str | Path]) -> Iterator[None]:
    """Where the block finds that its run failed, end it well and leave a marker in place of each output."""
    try:
        yield
    except FailedRunError as failure:
        for path in outputs:
            write_marker(path, failure.why)
        logger.warning("%s", failure)
