"""Read the files that training and evaluation write for one run and seed.

The path of a file determines its run and seed: `…/runs/<run>/<seed>/<file>`.
"""

import json
import math
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from parley.core.errors import Findings, ParleyError
from parley.core.failures import failure_in, raise_if_failed
from parley.core.files import read_json, read_lines
from parley.metrics.registry import EVALUATION_UNITS, LIMITS, OPTIONAL, UNITS

CURVES = ("accuracy@1", "accuracy@k", "nll", "length")
"""Names of the metrics of a learning curve."""
AGAIN = "remove the file and run again"
ROUNDING = 1e-6
"""How far rounding errors may take a metric beyond its limits."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Evaluations of one run and seed on the dev split during training."""

    run: str
    seed: int
    steps: list[int] = field(default_factory=list)
    """Steps of the evaluations, ascending."""
    values: dict[str, list[float | None]] = field(default_factory=dict)
    """Metric → one value per step; None where the recorded value is not a finite number."""
    chance: dict[str, float] = field(default_factory=dict)
    """Metric → expected value for random guesses, if it was recorded."""
    k: int | None = None
    """Value of k in accuracy@k; None if it was not recorded."""


def owner_of(path: str | Path) -> tuple[str, int]:
    """Return the run and seed of a file, from its path ``runs/<run>/<seed>/<file>``."""
    folder = Path(path).absolute().parent
    if not folder.name.lstrip("-").isdecimal():
        raise ParleyError(f"{path} is not in a folder runs/<run>/<seed>; move it there or check the path.")
    return folder.parent.name, int(folder.name)


def part_of(path: Path) -> str:
    """Return the split of a message file from its name; `messages.hdf5` is the test split."""
    return path.name.removesuffix(".hdf5").partition(".")[2] or "test"


def finite(value: Any) -> float | None:
    """Return a finite number as a float; None for NaN, infinity, booleans and values that are not numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # An integer with more than 308 digits.
        return None
    return number if math.isfinite(number) else None


def finite_by_seed(of_seeds: Mapping[int, Mapping[str, Any]], part: str, metric: str) -> dict[int, float]:
    """Return the value of a metric on a split for each seed. Seeds without a finite value are skipped."""
    found = {seed: finite(parts.get(part, {}).get(metric)) for seed, parts in of_seeds.items()}
    return {seed: value for seed, value in found.items() if value is not None}


def read_curve(path: str | Path) -> Curve:
    """Read the dev evaluations from a metrics.jsonl. If a resumed run recorded a step twice, the later line is used.

    Raises
    ------
    ParleyError
        If a line is not a JSON object, or a dev line has no step.
    """
    run, seed = owner_of(path)
    by_step: dict[int, dict[str, Any]] = {}
    for number, text in enumerate(read_lines(path), start=1):
        line = _object(text, f"{path}, line {number}") if text.strip() else {}
        if line.get("kind") != "dev":
            continue
        if not isinstance(line.get("step"), int):
            raise ParleyError(f"{path}, line {number}: the dev line has no `step`; train this run again.")
        by_step[line["step"]] = line
    steps = sorted(by_step)
    lines = [by_step[step] for step in steps]
    last = lines[-1] if lines else {}
    chance = {name: finite(last.get(name.replace("accuracy", "chance"))) for name in ("accuracy@1", "accuracy@k")}
    return Curve(
        run=run,
        seed=seed,
        steps=steps,
        values={name: [finite(line.get(name)) for line in lines] for name in CURVES},
        chance={name: value for name, value in chance.items() if value is not None},
        k=last.get("k"),
    )


def read_evaluation(path: str | Path) -> dict[str, Any]:
    """Read an evaluation.json.

    Raises
    ------
    ParleyError
        If its run and seed do not match its folder, or if a value is not possible. The error lists all such values.
    """
    evaluation = _with_keys(path, ("run", "seed", "k", "parts"))
    if (evaluation["run"], evaluation["seed"]) != owner_of(path):
        run, seed = owner_of(path)
        raise ParleyError(
            f"{path} belongs to run {evaluation['run']}, seed {evaluation['seed']}, but is in the folder of "
            f"run {run}, seed {seed}; evaluate that run again."
        )
    findings = Findings()
    for part, entry in _parts_of(evaluation, path).items():
        findings.extend(_impossible(entry, EVALUATION_UNITS, OPTIONAL, f"{path}, split {part}"))
        findings.extend(
            f"{path}, split {part}: {name} is {entry[name]!r:.40}, but must be a number above 0; {AGAIN}."
            for name in ("n", "candidates", "k")
            if name in entry and not (type(entry[name]) is int and entry[name] > 0)
        )
    findings.raise_if_any()
    return evaluation


class Language(NamedTuple):
    """Content of a language.json."""

    units: dict[str, str]
    """Unit of each metric, those of plug-ins included."""
    parts: dict[str, dict[str, Any]]
    """Metrics by split."""


def read_language(path: str | Path) -> Language:
    """Read a language.json.

    Raises
    ------
    ParleyError
        If a value is not possible. The error lists all such values.
    """
    values = _with_keys(path, ("parts",))
    language = _parts_of(values, path)
    recorded = values.get("units")
    units = UNITS | {str(name): str(unit) for name, unit in recorded.items()} if isinstance(recorded, dict) else UNITS
    findings = Findings()
    for part, entry in language.items():
        measures = entry.get("measures")
        if not isinstance(measures, dict):
            raise ParleyError(f"{path}, split {part}: there are no `measures`; {AGAIN}.")
        findings.extend(_impossible(measures, units, frozenset(units), f"{path}, split {part}"))
    findings.raise_if_any()
    return Language(units, language)


def _parts_of(value: Mapping[str, Any], path: str | Path) -> dict[str, dict[str, Any]]:
    parts = value["parts"]
    if not isinstance(parts, dict) or not all(isinstance(entry, dict) for entry in parts.values()):
        raise ParleyError(f"{path}: `parts` does not list metrics by split; {AGAIN}.")
    return parts


def _impossible(
    entry: Mapping[str, Any], units: Mapping[str, str], optional: Container[str], where: str
) -> Iterator[str]:
    """Yield a sentence for each metric that is not a number within its limits. `optional` metrics may be None."""
    for name, unit in units.items():
        if name not in entry or (entry[name] is None and name in optional):
            continue
        low, high = LIMITS.get(unit, (-math.inf, math.inf))
        value = finite(entry[name])
        if value is None or not low - ROUNDING <= value <= high + ROUNDING:
            limits = f" from {low:g} to {high:g}" if high < math.inf else f" of at least {low:g}" if low == 0 else ""
            yield f"{where}: {name} is {entry[name]!r:.40}, but must be a number{limits}; {AGAIN}."


def reasons_of_failure(paths: Iterable[str | Path]) -> dict[tuple[str, int], str]:
    """Return the reason for each failure by (run, seed), from those files that only record that a run failed."""
    found = {owner_of(path): failure_in(path) for path in paths}
    return {owner: why for owner, why in found.items() if why is not None}


def failed_owners(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Return `reasons_of_failure` as a list of dictionaries with the keys ``run``, ``seed`` and ``why``."""
    return [{"run": run, "seed": seed, "why": why} for (run, seed), why in reasons_of_failure(paths).items()]


def read_chosen_step(path: str | Path) -> int:
    """Read the training step of the selected checkpoint from a selection.json."""
    selection = _with_keys(path, ("chosen",))
    if not isinstance(selection["chosen"], dict) or not isinstance(selection["chosen"].get("step"), int):
        raise ParleyError(f"{path}: the selected checkpoint has no `step`; remove this file and run again.")
    return int(selection["chosen"]["step"])


def read_analysis(path: str | Path) -> dict[str, Any]:
    """Read an analysis.json and check that it contains all sections."""
    return _with_keys(path, ("run", "seed", "parts", "warnings"))


def _with_keys(path: str | Path, keys: tuple[str, ...]) -> dict[str, Any]:
    if not Path(path).is_file():
        raise ParleyError(f"{path} does not exist; run the stage that writes it.")
    raise_if_failed(path)
    value = read_json(path)
    missing = [key for key in keys if not isinstance(value, dict) or key not in value]
    if missing:
        raise ParleyError(f"{path} lacks {', '.join(missing)}; {AGAIN}.")
    return dict(value)


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParleyError(f"{where}: not JSON ({error}); train this run again.") from error
    if not isinstance(value, dict):
        raise ParleyError(f"{where}: not a JSON object; train this run again.")
    return value
