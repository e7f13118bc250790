"""Summarise the errors in the logs of failed jobs at the end of a run."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?P<level>[A-Z]+) \S+: (?P<message>.*)")
"""The log format of workflow/scripts/stage.py."""
MOST_LISTED = 10
"""Maximum number of failed jobs listed individually."""


class FailedJob(NamedTuple):
    """A job that failed."""

    name: str
    """Its rule and wildcards."""
    log: str
    """Path of its log; empty if it has none."""


def last_error(log: str | Path) -> str | None:
    """Return the last error message in a job's log; None if there is no error or no log."""
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = [LINE.fullmatch(line) for line in lines]
    errors = [match["message"] for match in found if match is not None and match["level"] in ("ERROR", "CRITICAL")]
    return errors[-1] if errors else None


def failure_lines(jobs: Sequence[FailedJob]) -> list[str]:
    """Return lines that list the failed jobs with their errors and logs."""
    if not jobs:
        return []
    lines = [f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'} failed:"]
    for job in jobs[:MOST_LISTED]:
        why = last_error(job.log) if job.log else None
        lines.append(f"  {job.name}: {why or 'no error in its log; it may have been killed.'}")
        if job.log:
            lines.append(f"    {job.log}")
    if len(jobs) > MOST_LISTED:
        lines.append(f"  and {len(jobs) - MOST_LISTED} more")
    lines.append("Finished files are kept; run the same command again to continue.")
    return lines
