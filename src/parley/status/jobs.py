"""The jobs of an experiment as plain values, independent of Snakemake."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Change:
    """A value that changed since a job last ran.

    Attributes
    ----------
    name
        The config key if it has one, such as ``training.steps``.
    old, new
        The values; `ABSENT` if there is none or it was not recorded.
    """

    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Job:
    """A job, as seen by a dry run of Snakemake.

    Attributes
    ----------
    number
        Index of the job.
    rule
        Name of its rule.
    outputs, gone
        All its outputs, and those that do not exist.
    needed
        Whether Snakemake would run it.
    depends_on, follows
        Numbers of the jobs whose outputs it reads, and of those among them that cause it to rerun.
    made
        Modification time of its newest output, in seconds since 1970; None if it has none.
    recorded
        Whether Snakemake recorded an earlier run of it.
    interrupted
        Whether it was started and neither finished nor failed; also true while it runs.
    newer
        Inputs newer than its outputs.
    inputs_added, inputs_gone
        Inputs added or removed since its last run.
    changes
        Changed values.
    has_code
        Whether a change of its code causes it to rerun.
    code
        Changed modules of its code; empty if they are unknown, None if the code is unchanged.
    environment
        Whether its software environment changed.
    error
        The error message of its last run, if it failed.
    log
        Path of its log.
    failed_runs
        Runs that failed in training, by run folder, and why: a result, not an error.
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
    """The result of a dry run.

    Attributes
    ----------
    jobs
        The jobs of the experiment by number.
    targets
        Numbers of the jobs that write the inputs of each target, in the order of the Snakefile.
    default
        Numbers of the jobs that belong to the default target.
    locked
        A sentence that names the running processes; empty if there are none.
    """

    jobs: Mapping[int, Job]
    targets: Mapping[str, frozenset[int]]
    default: frozenset[int]
    locked: str


def closure(jobs: Mapping[int, Job], numbers: Iterable[int]) -> set[int]:
    """Return the numbers of jobs and of all their direct and indirect dependencies."""
    found: set[int] = set()
    queue = list(numbers)
    while queue:
        number = queue.pop()
        if number not in found:
            found.add(number)
            queue += jobs[number].depends_on
    return found


ABSENT: Any = object()
"""Stands for a missing value."""
