"""Grids of runs: an entry of `runs` that defines one run for each combination of values.

The name of a run contains its entry's name and the run's values, so adding a value to a grid renames no other run.
"""

import copy
import math
import re
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

from parley.core.errors import Findings, ParleyError
from parley.core.formats import counted

SECTIONS = ("game", "training")
"""Sections whose keys a grid can vary."""
NAMEABLE = re.compile(r"[A-Za-z0-9._-]+")
LONGEST_NAME = 120
"""Maximum length of the name of a grid's run. File names contain it, and file systems allow 255 bytes per name."""
MOST_TRAININGS = 5_000
"""Maximum number of runs times seeds. Planning takes 10 ms of processor time per job, longer with many seeds."""
MANY_TRAININGS = 500
"""Number of runs times seeds above which `planning_notice` says that planning takes minutes."""
_JOBS_PER_TRAINING, _JOBS_PER_RUN = 6, 1  # Of the default target.

Run = dict[str, Any]
Choice = tuple[str, Any]
"""Text that represents a value in the run's name, and the value."""


def with_grid_keys(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the config's schema that also defines the keys of a grid.

    In a grid, a key has a list of values, or a mapping from labels to values.

    Parameters
    ----------
    schema
        The config's schema, which allows any mapping as a grid.
    """
    completed = copy.deepcopy(dict(schema))
    keys = {
        f"{section}.{key}": _several(part)
        for section in SECTIONS
        for key, part in schema["properties"][section]["properties"].items()
    }
    grid = completed["properties"]["runs"]["items"]["properties"]["grid"]
    grid |= {"properties": keys, "additionalProperties": False}
    return completed


def _several(part: Mapping[str, Any]) -> dict[str, Any]:
    # JSON schema applies `items` to lists only and `additionalProperties` to mappings only.
    several = {"type": ["array", "object"], "minItems": 1, "items": part}
    return {**several, "minProperties": 1, "additionalProperties": part}


def check_count(runs: Sequence[Run], seeds: int) -> None:
    """Raise `ParleyError` if there are more than `MOST_TRAININGS` runs times seeds.

    Parameters
    ----------
    runs
        Valid entries of the section `runs`, with their grids.
    seeds
        Number of seeds.
    """
    count = sum(math.prod(len(values) for values in entry.get("grid", {}).values()) for entry in runs)
    if count * seeds > MOST_TRAININGS:
        raise ParleyError(
            f"Config: {counted(count, 'run')} × {counted(seeds, 'seed')} are {count * seeds:,} trainings and about "
            f"{_jobs(count, seeds):,} jobs, too many for Snakemake to plan; divide the runs or seeds among several "
            f"configs, each with its own `experiment` and at most {MOST_TRAININGS:,} trainings (runs × seeds)."
        )


def planning_notice(runs: int, seeds: int) -> list[str]:
    """Return a sentence about the time that Snakemake needs to plan many jobs; an empty list for few."""
    if runs * seeds <= MANY_TRAININGS:
        return []
    return [
        f"For {counted(runs, 'run')} × {counted(seeds, 'seed')}, the default target has about {_jobs(runs, seeds):,} "
        "jobs, which Snakemake takes minutes to plan. The target `train` has fewer jobs; or divide the runs among "
        "several configs."
    ]


def _jobs(runs: int, seeds: int) -> int:
    return runs * (_JOBS_PER_TRAINING * seeds + _JOBS_PER_RUN)


def expand(runs: Sequence[Run]) -> list[Run]:
    """Replace each entry that has a grid by one run per combination of its values; the last key varies fastest.

    Parameters
    ----------
    runs
        Valid entries of the section `runs`, with defaults. A grid's values override those of its entry.

    Raises
    ------
    ParleyError
        If a value is repeated or cannot be part of a name, or a name is too long. The error lists every problem.
    """
    findings = Findings()
    expanded = [run for entry in runs for run in _runs_of(entry, findings)]
    findings.raise_if_any()
    return expanded


def _runs_of(entry: Run, findings: Findings) -> list[Run]:
    """Return the runs of one entry. An entry without a grid is one run."""
    rest = {key: value for key, value in entry.items() if key != "grid"}
    grid: dict[str, Any] = entry.get("grid", {})
    axes = [_choices(f"Config, run {entry['name']}: grid.{key}", key, grid[key], findings) for key in grid]
    runs = [_run(rest, dict(zip(grid, choices, strict=True))) for choices in product(*axes)]
    longest = max((run["name"] for run in runs), key=len, default="")
    if grid and len(longest) > LONGEST_NAME:
        findings.add(
            f"Config, run {entry['name']}: its grid makes run names of more than {LONGEST_NAME} characters, such "
            f"as {longest}; give the values short labels."
        )
    return runs


def _run(rest: Run, choices: Mapping[str, Choice]) -> Run:
    """Return the run of one combination: a copy of the entry without its grid, with the values of the combination."""
    run = copy.deepcopy(rest)
    run["name"] = "-".join([rest["name"], *(words for words, _ in choices.values())])
    for key, (_, value) in choices.items():
        section, _, name = key.partition(".")
        run[section][name] = copy.deepcopy(value)
    return run


def _choices(where: str, key: str, values: Any, findings: Findings) -> list[Choice]:
    """Return the values of a grid's key, each with its text in run names: the label if given, else key and value."""
    if isinstance(values, dict):
        choices = [(_text(label), value) for label, value in values.items()]
    else:
        choices = [(f"{key.partition('.')[2]}_{_text(value)}", value) for value in values]
    for (_, one), (_, other) in combinations(choices, 2):
        # In Python, True == 1, but here they are different values.
        if one == other and isinstance(one, bool) == isinstance(other, bool):
            findings.add(f"{where} has the value {_text(one)} twice; remove one of them.")
    for words, value in choices:
        if not NAMEABLE.fullmatch(words):
            findings.add(
                f"{where} has the value {_text(value)}, which makes no valid folder name ({words}); write a mapping "
                "from labels (of letters, digits, '.', '_' and '-') to values, such as {first: ..., second: ...}."
            )
    return choices


def _text(value: Any) -> str:
    """Return a value as YAML. 1.0 becomes 1, so that both spellings result in the same run name."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value)) if abs(value) < 1e15 else str(value)
    return "null" if value is None else str(value)
