"""Group the jobs of an experiment into stages: how many are up to date, and why the others are not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from parley.status.jobs import Job, Plan, closure
from parley.status.sentences import reasons_of

DONE, STALE, MISSING, RUNNING = "done", "stale", "missing", "running"
APART = {"write_config": "config"}
"""Rules that several targets require, shown as a stage of their own; jobs of no target are shown as `REST`."""
REST = "the rest"


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes
    ----------
    name
        The `snakemake` target that makes it.
    on_request
        Whether it is not part of the default target.
    state
        `done`, `stale` (existing outputs would be made again), `missing` or `running`.
    jobs, made
        Number of its jobs, and of those that are up to date.
    to_run
        Number of jobs that Snakemake would run, by rule.
    last_made
        Modification time of its newest output, in seconds since 1970.
    reasons
        Why it is not done, in sentences.
    notes
        Facts that cause no rerun: runs that failed in training, missing files that are not needed.
    follows
        Stages that cause it to rerun.
    """

    name: str
    on_request: bool
    state: str
    jobs: int
    made: int
    to_run: Mapping[str, int]
    last_made: float | None
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    follows: tuple[str, ...]


def stages_of(default: Plan, whole: Plan) -> list[Stage]:
    """Group jobs into stages.

    A job belongs to the earliest stage that needs it: the target with the fewest jobs.

    Parameters
    ----------
    default
        The plan of the default target, which decides which of its jobs are up to date.
    whole
        The plan of all targets.

    Returns
    -------
    list of Stage
        In the order of the Snakefile, those on request last.
    """
    as_default = {job.outputs: job for job in default.jobs.values()}
    jobs = {number: as_default.get(job.outputs, job) for number, job in whole.jobs.items()}
    in_default = {number for number, job in whole.jobs.items() if job.outputs in as_default}
    owner = _owners(whole, in_default)
    # The two plans number their jobs differently.
    by_default_number = {job.number: number for number, job in jobs.items() if number in in_default}
    order = [*whole.targets, *APART.values(), REST]
    stages = []
    for on_request in (False, True):
        for name in order:
            own = [n for n in jobs if owner[n] == name and (n not in in_default) == on_request]
            if own:
                followed = [
                    owner[by_default_number[other] if number in in_default else other]
                    for number in own
                    for other in jobs[number].follows
                ]
                follows = tuple(sorted({*followed} - {name}, key=order.index))
                stages.append(_stage(name, on_request, [jobs[n] for n in own], follows, default.locked))
    return stages


def _owners(whole: Plan, in_default: set[int]) -> dict[int, str]:
    """Return the stage of each job."""
    owner = {number: APART[job.rule] for number, job in whole.jobs.items() if job.rule in APART}
    in_default = in_default - owner.keys()
    needs = {name: closure(whole.jobs, asked) for name, asked in whole.targets.items() if -1 not in asked}
    targets = sorted(needs, key=lambda name: len(needs[name]))
    with_default = [name for name in targets if needs[name] and whole.targets[name] & in_default]
    for name in with_default:
        for number in needs[name] & in_default:
            owner.setdefault(number, name)
    # A stage of the default target has no second row: its jobs on request go to another stage.
    for name in targets:
        if name not in owner.values() or name not in with_default:
            for number in needs[name] - in_default - owner.keys():
                owner.setdefault(number, name)
    return {number: owner.get(number, REST) for number in whole.jobs}


def _stage(name: str, on_request: bool, jobs: list[Job], follows: tuple[str, ...], locked: str) -> Stage:
    needed = [job for job in jobs if job.needed]
    to_run: dict[str, int] = {}
    for job in needed:
        to_run[job.rule] = to_run.get(job.rule, 0) + 1
    return Stage(
        name,
        on_request,
        _state(needed, locked),
        len(jobs),
        sum(not job.needed and not job.gone for job in jobs),
        to_run,
        max((job.made for job in jobs if job.made is not None), default=None),
        reasons_of(needed, len(jobs), follows, locked),
        tuple(_notes(jobs)),
        follows,
    )


def _state(needed: list[Job], locked: str) -> str:
    if not needed:
        return DONE
    if locked and any(job.interrupted for job in needed):
        return RUNNING
    return STALE if any(not job.gone for job in needed) else MISSING


def _notes(jobs: list[Job]) -> Iterable[str]:
    for job in jobs:
        for folder, why in job.failed_runs.items():
            run, seed = Path(folder).parts[-2:]
            yield f"seed {seed} of run {run} failed in training: {why}"
    gone = [path for job in jobs if not job.needed for path in job.gone]
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        yield f"{gone[0]}{more} is gone; nothing that is left to do reads it"
