"""What the logs of failed jobs say, brought together at the end of a run."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?P<level>[A-Z]+) \S+: (?P<said>.*)")
"""As workflow/scripts/stage.py has logs written."""
MOST_TOLD = 10
"""Most failed jobs that are told one by one."""


class FailedJob(NamedTuple):
    """A job that failed."""

    name: str
    """Its rule and wildcards."""
    log: str
    """Its log; empty where it has none."""


def last_error(log: str | Path) -> str | None:
    """Return the last sentence that a job's log has as an error; None where there is none, or no log."""
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = [LINE.fullmatch(line) for line in lines]
    errors = [match["said"] for match in found if match is not None and match["level"] in ("ERROR", "CRITICAL")]
    return errors[-1] if errors else None


def failure_lines(jobs: Sequence[FailedJob]) -> list[str]:
    """Return lines that say which jobs failed, why, and where their logs are."""
    if not jobs:
        return []
    lines = [f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'} failed:"]
    for job in jobs[:MOST_TOLD]:
        why = last_error(job.log) if job.log else None
        lines.append(f"  {job.name}: {why or 'its log has no error in it; it may have been killed.'}")
        if job.log:
            lines.append(f"    {job.log}")
    if len(jobs) > MOST_TOLD:
        lines.append(f"  and {len(jobs) - MOST_TOLD} more")
    lines.append("What is finished stays: the same command goes on from there.")
    return lines
