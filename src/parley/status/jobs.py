"""What is known of each job of an experiment, as plain values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Change:
    """A value that is another than when a job last ran.

    Attributes
    ----------
    name
        In the words of the config where it has it, such as ``training.steps``.
    old, new
        The values; `ABSENT` where there is none, or where it is not on record.
    """

    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Job:
    """One job, and what a dry run of Snakemake says of it.

    Attributes
    ----------
    number
        Its place among the jobs.
    rule
        Name of its rule.
    name
        Its rule and wildcards, for a sentence.
    outputs, gone
        All its outputs, and those that do not exist.
    needed
        Whether Snakemake would run it.
    depends_on, follows
        Numbers of the jobs whose outputs it reads; of those among them, because of which it would run.
    made
        When its last output was finished, in seconds since 1970; None where it never was.
    recorded
        Whether Snakemake knows of an earlier run of it.
    interrupted
        Whether it was begun and neither ended nor failed; so is what is going on just now.
    newer
        Inputs that are newer than its outputs.
    inputs_added, inputs_gone
        Inputs that it did not have, or has no more.
    changes
        Values that changed.
    code
        What changed of its code: modules, or nothing where they are not on record; None where the code is the same.
    environment
        Whether its software environment changed.
    error
        The sentence with which it failed when it last ran.
    log
        Path of its log.
    failed_runs
        The run and seed that failed in training in one of its outputs, and why: a result, not an error.
    """

    number: int
    rule: str
    name: str
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
    code: tuple[str, ...] | None = None
    environment: bool = False
    error: str | None = None
    log: str = ""
    failed_runs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a dry run says.

    Attributes
    ----------
    jobs
        Of the experiment, by their numbers.
    targets
        Numbers of the jobs that make what each target asks for itself, in the order of the Snakefile.
    default
        Numbers of the jobs that belong to the default target.
    locked
        A sentence on who is at work on the files; empty where nobody is.
    """

    jobs: Mapping[int, Job]
    targets: Mapping[str, frozenset[int]]
    default: frozenset[int]
    locked: str


def closure(jobs: Mapping[int, Job], numbers: Iterable[int]) -> set[int]:
    """Return the numbers of jobs and of all that they depend on, directly or not."""
    found: set[int] = set()
    queue = list(numbers)
    while queue:
        number = queue.pop()
        if number not in found:
            found.add(number)
            queue += jobs[number].depends_on
    return found


ABSENT: Any = object()
"""In place of a value that there is not."""
