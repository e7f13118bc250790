"""Why jobs failed: the last error in a job's log, the signal that ended the job, or what Snakemake reported."""

import logging
import os
import re
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from parley.core.installation import as_typed

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?P<level>[A-Z]+) \S+: (?P<message>.*)")
"""Pattern of a log line written by workflow/scripts/stage.py."""
MOST_ERRORS = 6
"""Maximum number of errors of a job to print, with how many more its log has."""
MOST_LISTED = 10
"""Maximum number of failed jobs listed individually."""
CONTINUE = "Finished files are kept; run the same command again to continue."
_SIGNAL = re.compile(r"died with <Signals\.(?P<name>\w+): \d+>|exit status (?P<status>\d+)")
_SAVED = re.compile(r"saved at (step \d+ of \d+)")


class FailedJob(NamedTuple):
    """A failed job: its rule and wildcards, the path of its log (empty if it has none), and why it failed."""

    name: str
    log: str
    why: str


def last_error(log: str | Path, since: float = 0.0) -> str | None:
    """Return the last error message in a job's log.

    The value is None if the log has no error, does not exist, or was last written before `since` (seconds since 1970).
    """
    errors = _errors(log, since)
    return errors[-1] if errors else None


def _errors(log: str | Path, since: float) -> list[str]:
    try:
        if Path(log).stat().st_mtime < since:
            return []
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = [LOG_LINE.fullmatch(line) for line in lines]
    return [match["message"] for match in found if match is not None and match["level"] in ("ERROR", "CRITICAL")]


class FailureLog(logging.Handler):
    """Collects from Snakemake's log when jobs started and the reports about jobs that failed."""

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[int, float] = {}
        self._reported: dict[int, str] = {}
        # Snakemake logs the exception of a job, then the failure of the job, from the same thread.
        self._raised: dict[int | None, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the information of a log record about a job."""
        event, values = getattr(record, "event", None), vars(record)
        if event == "job_info":
            self._started[values["jobid"]] = record.created
            self._reported.pop(values["jobid"], None)
        elif event == "error":
            self._raised[record.thread] = record.getMessage()
        elif event == "job_error":
            self._reported[values["jobid"]] = self._raised.pop(record.thread, "") or values["rule_msg"] or ""

    def error_of(self, number: int, log: str) -> str | None:
        """Return the last error in a job's log, unless the log is older than the start of the job."""
        return last_error(log, self._start(number)) if log else None

    def _start(self, number: int) -> float:
        return int(self._started.get(number, 0))  # Some file systems store whole seconds.

    def why(self, number: int, rule: str, log: str) -> str:
        """Return why a job failed, with a line for each error in its log.

        Parameters
        ----------
        number, rule
            Snakemake's id of the job, and the name of its rule.
        log
            Path of the job's log; empty if it has none.
        """
        reported = self._reported.get(number, "")
        ended = _SIGNAL.search(reported)
        status = int((ended and ended["status"]) or 0)
        killed = (ended and ended["name"]) or (signal.Signals(status - 128).name if 128 < status < 160 else "")
        if killed == "SIGKILL":
            return (
                "killed (SIGKILL), most often because memory ran out; "
                "free memory, or run fewer jobs at once with a smaller --cores."
            )
        # A job that has said why may still crash at its end, as HDF5 does on a full disk.
        errors = _errors(log, self._start(number)) if log else []
        if len(errors) > MOST_ERRORS:
            more = f"and {len(errors) - MOST_ERRORS} more in the log"
            errors = [*errors[: MOST_ERRORS - 1], errors[-1], more]
        error = "\n    ".join(errors)
        if killed:
            return f"{error} Then it was ended by the signal {killed}." if error else f"ended by the signal {killed}."
        if error:
            return error
        if ended:
            return f"ended with exit status {status} without an error in its log; what it printed is above."
        if reported := reported or next((text for text in self._raised.values() if f"in rule {rule} " in text), ""):
            return " ".join(reported.split())
        return "Snakemake did not report why; see its log in .snakemake/log."


def context_lines(sentences: Sequence[str], configfiles: Sequence[Path], folder: str = "") -> list[str]:
    """Return lines that say what the paths and commands in sentences need to work where the user types them.

    Parameters
    ----------
    sentences
        The messages.
    configfiles
        The run's `--configfile`.
    folder
        The run's `--directory`; empty if the run is in the user's working folder.
    """
    lines = [f"Paths are relative to {folder}, the run's --directory."] if folder else []
    paths = [str(one.absolute()) if folder else os.path.relpath(one) for one in configfiles]
    options = ["--directory", folder] * bool(folder) + ["--configfile", *paths] * bool(paths)
    if options and any(as_typed("uv run snakemake") in as_typed(sentence) for sentence in sentences):
        lines.append(f"To these commands, add `{shlex.join(options)}`.")
    return lines


def failure_lines(jobs: Sequence[FailedJob], configfiles: Sequence[Path] = (), folder: str = "") -> list[str]:
    """Return lines that list failed jobs with the reasons, the paths of their logs, and how to continue."""
    if not jobs:
        return []
    lines = [f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'} failed:"]
    for job in jobs[:MOST_LISTED]:
        lines += [f"  {job.name}: {job.why}", *([f"    {job.log}"] if job.log else [])]
    if len(jobs) > MOST_LISTED:
        lines.append(f"  and {len(jobs) - MOST_LISTED} more")
    return [*lines, *context_lines([job.why for job in jobs[:MOST_LISTED]], configfiles, folder), CONTINUE]


def interruption_lines(jobs: Sequence[FailedJob]) -> list[str]:
    """Return lines that say, after an interruption, how to continue and which of the running jobs are saved."""
    found = [(job.name, _SAVED.search(job.why)) for job in jobs]
    return [f"Interrupted. {CONTINUE}", *(f"  {name} is saved at {match[1]}." for name, match in found if match)]
