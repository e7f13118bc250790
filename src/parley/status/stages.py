"""Group the jobs of an experiment into stages, and print or export their state."""

import json
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from parley.core.formats import listed
from parley.core.installation import as_typed
from parley.core.terminal import literal, plain_table
from parley.status.jobs import Job, Plan, closure
from parley.status.reasons import reasons_of

DONE, STALE, MISSING, RUNNING = "done", "stale", "missing", "running"
APART = {"write_config": "config"}
"""Rules that several targets need → name of the separate stage that the jobs of the rule form."""
REST = "the rest"
"""Name of the stage for the jobs that belong to no target."""


@dataclass(frozen=True)
class Stage:
    """State of one stage.

    Attributes
    ----------
    name
        Name of the `snakemake` target that makes the stage.
    on_request
        Whether the stage is made only on request, not by the default target.
    state
        `done`, `stale` (existing outputs would be replaced), `missing` or `running`.
    jobs, made
        Number of all jobs of the stage, and number of jobs that are up to date.
    to_run
        Rule → number of its jobs that Snakemake would run.
    last_made
        Modification time of the newest output, in seconds since 1970; None if no output exists.
    reasons
        Reasons why the stage is not done, in words.
    notes
        Facts that cause no rerun: runs that failed in training, and missing files that no job needs.
    follows
        Names of other stages whose rerun makes jobs of this stage run.
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
    """Group the jobs of an experiment into stages.

    If several targets need a job, it belongs to the earliest stage: that of the target with the fewest jobs.

    Parameters
    ----------
    default
        The plan of the default target. It determines which of the default target's jobs are up to date.
    whole
        The plan of all targets.

    Returns
    -------
    list of Stage
        The stages in the order of the Snakefile; stages on request come last.
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
                followed = {
                    owner[by_default_number[other] if number in in_default else other]
                    for number in own
                    for other in jobs[number].follows
                }
                follows = tuple(sorted(followed - {name}, key=order.index))
                stages.append(_stage(name, on_request, [jobs[n] for n in own], follows, default.locked))
    return stages


def all_code_changed(plan: Plan) -> bool:
    """Return whether the code of every finished job has changed since it ran, as happens after an update of Parley."""
    jobs = [job for job in plan.jobs.values() if job.has_code and job.recorded and not job.gone and not job.newer]
    return len(jobs) > 1 and all(job.code is not None for job in jobs)


def _owners(whole: Plan, in_default: set[int]) -> dict[int, str]:
    """Return the name of the stage of each job."""
    owner = {number: APART[job.rule] for number, job in whole.jobs.items() if job.rule in APART}
    in_default = in_default - owner.keys()
    needs = {name: closure(whole.jobs, asked) for name, asked in whole.targets.items() if -1 not in asked}
    targets = sorted(needs, key=lambda name: len(needs[name]))
    with_default = [name for name in targets if needs[name] and whole.targets[name] & in_default]
    for name in with_default:
        for number in needs[name] & in_default:
            owner.setdefault(number, name)
    # A stage of the default target takes no jobs made on request, or it would be listed again under "On request".
    for name in targets:
        if name not in owner.values() or name not in with_default:
            for number in needs[name] - in_default - owner.keys():
                owner.setdefault(number, name)
    return {number: owner.get(number, REST) for number in whole.jobs}


def _stage(name: str, on_request: bool, jobs: list[Job], follows: tuple[str, ...], locked: str) -> Stage:
    needed = [job for job in jobs if job.needed]
    return Stage(
        name,
        on_request,
        _state(needed, locked),
        len(jobs),
        sum(not job.needed and not job.gone for job in jobs),
        dict(Counter(job.rule for job in needed)),
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
        yield f"{listed(gone, 1)} is gone; no remaining job reads it"


STYLES = {DONE: "green", STALE: "yellow", MISSING: "red", RUNNING: "cyan"}
UPDATED = (
    "The code of every stage has changed since these results were made, as it does after an update of Parley: "
    "all stages rerun once. Fetched images are kept."
)
SPANS = (("d", 86400), ("h", 3600), ("min", 60))


def is_up_to_date(stages: Sequence[Stage]) -> bool:
    """Return whether all stages of the default target are done."""
    return all(stage.state == DONE for stage in stages if not stage.on_request)


def command(configfiles: Sequence[str | Path], target: str = "") -> str:
    """Return the command that makes `target`, or the default target if `target` is empty."""
    parts = ["uv", "run", "snakemake", "--cores", "all", *([target] if target else [])]
    return as_typed(shlex.join([*parts, *(["--configfile", *map(str, configfiles)] if configfiles else [])]))


def as_json(experiment: str, configfiles: Sequence[str | Path], stages: Sequence[Stage], locked: str) -> str:
    """Return the information that `show` prints, as JSON."""
    entries = [asdict(stage) for stage in stages]
    for entry in entries:
        if entry["last_made"] is not None:
            entry["last_made"] = datetime.fromtimestamp(entry["last_made"]).astimezone().isoformat(timespec="seconds")
    value = {
        "experiment": experiment,
        "up_to_date": is_up_to_date(stages),
        "locked": bool(locked),
        "next": None if is_up_to_date(stages) else command(configfiles),
        "stages": entries,
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def show(
    experiment: str,
    configfiles: Sequence[str | Path],
    stages: Sequence[Stage],
    locked: str,
    on: Console,
    updated: bool = False,
) -> None:
    """Print the stages of an experiment as a table, and the next command to run.

    Parameters
    ----------
    experiment
        Name of the experiment.
    configfiles
        Config files given by the user; empty for the default.
    stages, locked, updated
        Values of `stages_of`, `Plan.locked` and `all_code_changed`.
    on
        Console to print on, from `parley.core.terminal.console`.
    """
    on.print(literal(f"results/{experiment}", "bold"))
    _print_table([stage for stage in stages if not stage.on_request], on)
    asked = [stage for stage in stages if stage.on_request]
    if asked:
        on.print()
        on.print(literal("On request", "bold"))
        _print_table(asked, on)
    on.print()
    if updated:
        on.print(literal(UPDATED), soft_wrap=True)
    if locked:
        on.print(literal(locked), soft_wrap=True)
    if is_up_to_date(stages):
        on.print(literal("Everything is up to date."), soft_wrap=True)
        if open_ones := [stage.name for stage in asked if stage.state != DONE]:
            on.print(literal(f"On request, for example: {command(configfiles, open_ones[0])}"), soft_wrap=True)
    else:
        jobs = sum(sum(stage.to_run.values()) for stage in stages if not stage.on_request)
        on.print(literal(f"{jobs} {'job' if jobs == 1 else 'jobs'} to do: {command(configfiles)}"), soft_wrap=True)


def _print_table(stages: Sequence[Stage], on: Console) -> None:
    table = plain_table(on)
    table.add_column("stage", overflow="fold", min_width=13)
    table.add_column("jobs", justify="right", no_wrap=True, min_width=8)
    table.add_column("", no_wrap=True, min_width=7)
    table.add_column("age", no_wrap=True, min_width=7, justify="right")
    table.add_column("why", overflow="fold")
    for stage in stages:
        why = Text("\n").join([*map(literal, stage.reasons), *(literal(note, "dim") for note in stage.notes)])
        made = f"{stage.made} of {stage.jobs}"
        table.add_row(literal(stage.name), made, literal(stage.state, STYLES[stage.state]), _ago(stage.last_made), why)
    on.print(table)


def _ago(time_s: float | None) -> str:
    if time_s is None:
        return ""
    seconds = max(time.time() - time_s, 0)
    for unit, length in SPANS:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"
