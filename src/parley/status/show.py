"""Print the state of an experiment as a table, or format it as JSON."""

import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from parley.core.terminal import literal, plain_table
from parley.status.stages import DONE, MISSING, RUNNING, STALE, Stage

STYLES = {DONE: "green", STALE: "yellow", MISSING: "red", RUNNING: "cyan"}
SPANS = (("d", 86400), ("h", 3600), ("min", 60))


def is_up_to_date(stages: Sequence[Stage]) -> bool:
    """Return whether the default target has nothing to do."""
    return all(stage.state == DONE for stage in stages if not stage.on_request)


def command(configfiles: Sequence[str | Path], target: str = "") -> str:
    """Return the command that makes a target; the default target if none is named."""
    parts = ["uv", "run", "snakemake", "--cores", "all", *([target] if target else [])]
    return shlex.join([*parts, *(["--configfile", *map(str, configfiles)] if configfiles else [])])


def as_json(experiment: str, configfiles: Sequence[str | Path], stages: Sequence[Stage], locked: str) -> str:
    """Return the content of `show` as JSON."""
    value = {
        "experiment": experiment,
        "up_to_date": is_up_to_date(stages),
        "locked": bool(locked),
        "next": None if is_up_to_date(stages) else command(configfiles),
        "stages": [_entry(stage) for stage in stages],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _entry(stage: Stage) -> dict[str, Any]:
    entry = asdict(stage)
    if stage.last_made is not None:
        entry["last_made"] = datetime.fromtimestamp(stage.last_made).astimezone().isoformat(timespec="seconds")
    return entry


def show(experiment: str, configfiles: Sequence[str | Path], stages: Sequence[Stage], locked: str, on: Console) -> None:
    """Print the stages of an experiment as a table, and the next command to run.

    Parameters
    ----------
    experiment
        Its name.
    configfiles
        As given; none for the default.
    stages
        From `stages_of`.
    locked
        A sentence that names the running processes; empty if there are none.
    on
        From `parley.core.terminal.console`.
    """
    on.print(literal(f"results/{experiment}", "bold"))
    _print_table([stage for stage in stages if not stage.on_request], on)
    asked = [stage for stage in stages if stage.on_request]
    if asked:
        on.print()
        on.print(literal("On request", "bold"))
        _print_table(asked, on)
    on.print()
    for line in _closing(configfiles, stages, locked):
        on.print(literal(line), soft_wrap=True)


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


def _closing(configfiles: Sequence[str | Path], stages: Sequence[Stage], locked: str) -> list[str]:
    lines = []
    if locked:
        lines.append(locked)
    if is_up_to_date(stages):
        lines.append("All is made and up to date.")
    else:
        jobs = sum(sum(stage.to_run.values()) for stage in stages if not stage.on_request)
        lines.append(f"{jobs} {'job' if jobs == 1 else 'jobs'} to do: {command(configfiles)}")
    open_ones = [stage.name for stage in stages if stage.on_request and stage.state != DONE]
    if open_ones and is_up_to_date(stages):
        lines.append(f"On request, for example: {command(configfiles, open_ones[0])}")
    return lines
