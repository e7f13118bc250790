"""Jobs and plans of an experiment as plain data, independent of Snakemake."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Change:
    """A value that changed since a job last ran.

    Attributes
    ----------
    name
        Config key of the value, such as ``training.steps``, or a description if it has none.
    old, new
        The value at the last run and the current value; `ABSENT` if it does not exist or was not recorded.
    """

    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Job:
    """A job in a plan of Snakemake.

    Attributes
    ----------
    number
        Number of the job in the plan.
    rule
        Name of the job's rule.
    outputs, gone
        Paths of all outputs of the job, and of the outputs that do not exist.
    needed
        Whether Snakemake would run the job.
    depends_on, follows
        Numbers of the jobs whose outputs this job reads, and of those whose rerun makes this job run.
    made
        Modification time of the newest output, in seconds since 1970; None if no output exists.
    recorded
        Whether Snakemake has a record of an earlier run of the job.
    interrupted
        Whether the job was started and neither finished nor failed; also true while it runs.
    newer
        Inputs that are newer than the outputs.
    inputs_added, inputs_gone
        Inputs that were added or removed since the last run.
    changes
        Values of params that changed since the last run.
    has_code
        Whether a change of the job's code makes the job run again.
    code
        Modules of the job's code that changed; empty if they are unknown, None if the code is unchanged.
    environment
        Whether the software environment changed since the last run.
    error
        Error message of the last run; None if it did not fail.
    log
        Path of the job's log; empty if it has no log.
    failed_runs
        Run folder → reason why training failed. Such a failure is a result of the job, not an error.
    """

    number: int
    rule: str
    outputs: tuple[str, ...]
    gone: tuple[str, ...] = ()
    needed: bool = False
    depends_on: frozenset[int] = frozenset()
    follows: frozenset[int] = frozenset()
    made: float | None = None
    recorded: bool = False
    interrupted: bool = False
    newer: tuple[str, ...] = ()
    inputs_added: tuple[str, ...] = ()
    inputs_gone: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    has_code: bool = False
    code: tuple[str, ...] | None = None
    environment: bool = False
    error: str | None = None
    log: str = ""
    failed_runs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The jobs and targets that a dry run finds.

    Attributes
    ----------
    jobs
        The jobs of the experiment by number.
    targets
        Target → numbers of the jobs that write its inputs, -1 if no planned job does. In the Snakefile's order.
    default
        Numbers of all jobs on which the default target depends, directly or indirectly.
    locked
        A sentence about running processes or a lock of Snakemake; empty if there are none.
    """

    jobs: Mapping[int, Job]
    targets: Mapping[str, frozenset[int]]
    default: frozenset[int]
    locked: str


def closure(jobs: Mapping[int, Job], numbers: Iterable[int]) -> set[int]:
    """Return the given numbers of jobs, and the numbers of all their direct and indirect dependencies."""
    found: set[int] = set()
    queue = list(numbers)
    while queue:
        number = queue.pop()
        if number not in found:
            found.add(number)
            queue += jobs[number].depends_on
    return found


ABSENT: Any = object()
"""Placeholder for a value that does not exist or was not recorded."""
