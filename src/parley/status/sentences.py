"""Describe in sentences why jobs would run."""

from collections.abc import Iterator, Sequence
from typing import Any

from parley.status.jobs import ABSENT, Change, Job

MOST_REASONS = 4
"""Maximum number of reasons shown for a stage."""
MOST_NAMED = 3
"""Maximum number of files, modules or items named in a reason."""
LONGEST_VALUE = 40
"""Maximum number of characters of a value; longer ones are cut."""


def reasons_of(needed: Sequence[Job], jobs: int, follows: Sequence[str], locked: str) -> tuple[str, ...]:
    """Return why jobs of a stage would run.

    Parameters
    ----------
    needed
        The jobs that would run.
    jobs
        Number of jobs of the stage.
    follows
        Other stages that cause some of them to run.
    locked
        Not empty if a run is in progress, so that unfinished jobs are running.
    """
    counts: dict[str, int] = {}
    for job in needed:
        for reason in dict.fromkeys(_own_reasons(job, locked)):
            counts[reason] = counts.get(reason, 0) + 1
    lines = [reason if count == jobs else f"{count} of {jobs}: {reason}" for reason, count in counts.items()]
    if len(lines) > MOST_REASONS:
        lines = [*lines[: MOST_REASONS - 1], f"and {len(lines) - MOST_REASONS + 1} other reasons"]
    if logs := [job.log for job in needed if job.gone and job.error and not job.interrupted]:
        lines.append(f"see {_listed(logs)}")
    if follows and any(job.follows and (not job.gone or job.recorded) for job in needed):
        lines.append(f"follows from {_listed(follows)}")
    return tuple(lines)


def _own_reasons(job: Job, locked: str) -> Iterator[str]:
    if job.interrupted:
        yield "being made now" if locked else "was interrupted"
    elif job.gone and job.error:
        yield f"failed: {job.error}"
    elif job.gone:
        yield f"gone: {_listed(job.gone)}" if job.recorded else "not made yet"
    yield from map(describe, job.changes)
    if job.code is not None:
        yield f"the code of {_listed(job.code)}" if job.code else "its code; of which module is not on record"
    if job.newer and not job.gone:
        yield f"newer than what was made of it: {_listed(job.newer)}"
    if job.inputs_added:
        yield f"reads {_listed(job.inputs_added)} now"
    if job.inputs_gone:
        yield f"reads {_listed(job.inputs_gone)} no more"
    if job.environment:
        yield "its software environment"


def describe(change: Change) -> str:
    """Return a change in words: ``training.steps 3000 → 4000``."""
    if change.old is ABSENT:
        return f"{change.name} is now {_value(change.new)}"
    if change.new is ABSENT:
        return f"{change.name} was {_value(change.old)}"
    if _are_lists_of_values(change.old, change.new):
        added = [item for item in change.new if item not in change.old]
        gone = [item for item in change.old if item not in change.new]
        parts = [f"{sign} {_listed(list(map(_value, items)))}" for sign, items in (("+", added), ("−", gone)) if items]
        if parts:
            return f"{change.name}: {', '.join(parts)}"
    return f"{change.name} {_value(change.old)} → {_value(change.new)}"


def _are_lists_of_values(*values: Any) -> bool:
    return all(isinstance(value, list) and not any(isinstance(item, dict | list) for item in value) for value in values)


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = str(value) or '""'
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _listed(items: Sequence[str]) -> str:
    named = list(items[:MOST_NAMED])
    if len(items) > MOST_NAMED:
        return f"{', '.join(named)} and {len(items) - MOST_NAMED} more"
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
