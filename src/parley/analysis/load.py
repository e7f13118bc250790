"""Load the results of an experiment as pandas tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parley.analysis.evaluations import evaluations_of
from parley.analysis.summary import SummaryRow, in_order, summarise
from parley.config.saved_configs import command_for, named_runs, read_run
from parley.core.errors import ParleyError
from parley.core.failures import failure_in
from parley.dataset.class_set import read_groups
from parley.export.tidy import frame_of, tidy_columns
from parley.metrics.conversations import Conversations, read_conversations
from parley.metrics.records import (
    CURVES,
    Language,
    finite,
    owner_of,
    part_of,
    read_chosen_step,
    read_curve,
    read_language,
)
from parley.metrics.registry import EVALUATION_UNITS
from parley.provenance.hashing import check_undamaged

if TYPE_CHECKING:
    import pandas as pd


METRIC_COLUMNS = ("run", "seed", "part", "metric", "value", "unit", "p", "null_mean", "null_high")

Parts = Mapping[str, Mapping[str, Any]]
"""Metrics of one run and seed, by split, from `evaluation.json` or `language.json`."""


def metric_rows(
    folder: Path, evaluations: Sequence[Mapping[str, Any]], expected: Iterable[tuple[str, int]]
) -> list[dict[str, Any]]:
    """Return one row of `METRIC_COLUMNS` per run, seed, split and metric; unknown values are NaN.

    Parameters
    ----------
    folder
        Results folder of the experiment.
    evaluations
        Contents of the `evaluation.json` files of all seeds that have one.
    expected
        All pairs of run and seed. A failed seed has a row for each split and metric that any other seed has.
    """
    evaluated = {(one["run"], one["seed"]): one["parts"] for one in evaluations}
    measured = {owner: _language(folder / "runs" / owner[0] / str(owner[1]) / "language.json") for owner in expected}
    units = _units(evaluated.values(), list(measured.values()))
    rows = []
    for (run, seed), language in measured.items():
        for part, of_part in units.items():
            counted, of_language = evaluated.get((run, seed), {}).get(part, {}), language.parts.get(part, {})
            for metric, unit in of_part.items():
                about = {"run": run, "seed": seed, "part": part, "metric": metric, "unit": unit}
                rows.append({**about, **_numbers(metric, counted, of_language)})
    return rows


def _language(path: Path) -> Language:
    if not path.is_file() or failure_in(path) is not None:
        return Language({}, {})
    check_undamaged([path])
    return read_language(path)


def _units(evaluated: Iterable[Parts], measured: Sequence[Language]) -> dict[str, dict[str, str]]:
    """Return the units of the metrics that any seed has, by split and then by metric."""
    of_evaluations = {part for parts in evaluated for part in parts}
    of_languages = {part for language in measured for part in language.parts}
    units = {name: unit for language in measured for name, unit in language.units.items()}
    own_of_language = {name: unit for name, unit in units.items() if name not in EVALUATION_UNITS}
    return {
        part: {
            **(EVALUATION_UNITS if part in of_evaluations else {}),
            **(own_of_language if part in of_languages else {}),
        }
        for part in in_order(of_evaluations | of_languages)
    }


def _numbers(metric: str, counted: Mapping[str, Any], of_language: Mapping[str, Any]) -> dict[str, float]:
    """Return the numeric columns of a metric's row. A value in evaluation.json takes precedence over language.json."""
    null = of_language.get("null", {}).get(metric) or {}
    numbers = {
        "value": counted.get(metric) if metric in EVALUATION_UNITS else of_language.get("measures", {}).get(metric),
        "p": of_language.get("p", {}).get(metric),
        "null_mean": null.get("mean"),
        "null_high": null.get("high"),
    }
    # With NaN instead of None, the column is numeric even if no seed has the metric.
    return {name: float("nan") if (known := finite(value)) is None else known for name, value in numbers.items()}


@dataclass(frozen=True, slots=True)
class Found:
    """The results of an experiment as tidy tables. Failed seeds have rows with missing values.

    Attributes
    ----------
    folder
        Results folder of the experiment.
    runs
        One row per run and seed: ``run, seed, evaluated, failed, why, step`` (step of the selected checkpoint), and
        all settings in the run's config.json, in columns such as ``game.message_bits``.
    metrics
        ``run, seed, part, metric, value, unit, p, null_mean, null_high``: the metrics of evaluation.json and, if it
        exists, of language.json. The last three columns have values only for metrics with a permutation test. If both
        files have a metric, ``value`` is taken from evaluation.json.
    curves
        ``run, seed, step, accuracy@1, accuracy@k, nll, length``: the metrics on the dev split during training.
    summary
        The rows of summary.csv, computed from the existing evaluations. Seeds that have not been run do not count.
    """

    folder: Path
    runs: pd.DataFrame
    metrics: pd.DataFrame
    curves: pd.DataFrame
    summary: pd.DataFrame

    def messages(self, run: str | None = None, seed: int | None = None, part: str | None = "test") -> pd.DataFrame:
        """Read dialogues as a table with one row per dialogue, exchange and agent, like `messages.parquet`.

        Parameters
        ----------
        run, seed, part
            The run, the seed and the split to read; None reads all. Each dialogue takes some kB of memory.

        Raises
        ------
        ParleyError
            If there are no dialogues of this run, seed and split, or if a file has changed since it was written or
            contains other dialogues.
        """
        import pandas as pd

        classes = self.folder / "classes.tsv"
        groups = read_groups(classes if classes.is_file() else None)
        wanted = [
            path
            for owner in zip(self.runs["run"], self.runs["seed"], strict=True)
            if run in (None, owner[0]) and seed in (None, owner[1])
            for path in _message_files(self.folder / "runs" / owner[0] / str(owner[1]), part)
        ]
        if not wanted:
            asked = {"run": run, "seed": seed, "part": part}
            raise ParleyError(
                f"{self.folder} has no dialogues of "
                f"{', '.join(f'{name} {value}' for name, value in asked.items() if value is not None) or 'any run'}; "
                f"its runs are {', '.join(dict.fromkeys(self.runs['run']))}. To write their dialogues, run "
                f"`{command_for('messages', self.folder)}`."
            )
        dialogues = (_dialogues(path, self.folder) for path in wanted)
        return pd.concat([frame_of(tidy_columns(one, groups)) for one in dialogues], ignore_index=True)


def load(folder: str | Path) -> Found:
    """Load the results of an experiment.

    Parameters
    ----------
    folder
        Results folder of the experiment, ``results/<experiment>``.

    Raises
    ------
    ParleyError
        If the folder does not contain the results of an experiment, or if a file in it is damaged.
    """
    import pandas as pd

    folder = Path(folder)
    expected = named_runs(folder)
    rows = [_run_row(folder / "runs" / run / str(seed), run, seed) for run, seed in expected]
    evaluations = evaluations_of(folder)
    ended = [owner for owner, row in zip(expected, rows, strict=True) if row["evaluated"] or row["failed"]]
    summary = [asdict(row) for row in summarise(evaluations, ended)]
    return Found(
        folder,
        pd.DataFrame(rows),
        pd.DataFrame(metric_rows(folder, evaluations, expected), columns=list(METRIC_COLUMNS)),
        pd.DataFrame(_curve_rows(folder, expected), columns=["run", "seed", "step", *CURVES]),
        pd.DataFrame(summary, columns=[field.name for field in fields(SummaryRow)]),
    )


def _run_row(folder: Path, run: str, seed: int) -> dict[str, Any]:
    evaluation, selection, settings = (folder / f"{name}.json" for name in ("evaluation", "selection", "config"))
    why = next((why for path in (selection, evaluation) if (why := failure_in(path)) is not None), None)
    chosen = selection.is_file() and failure_in(selection) is None
    return {
        "run": run,
        "seed": seed,
        "evaluated": why is None and evaluation.is_file(),
        "failed": why is not None,
        "why": why,
        "step": read_chosen_step(selection) if chosen else None,
        **(_flat(read_run(settings)) if settings.is_file() else {}),
    }


def _flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Flatten nested settings into a dictionary with dotted keys, without run, seed and plugins."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if name == "plugins" and not above:
            continue
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found if above else {name: value for name, value in found.items() if name not in ("run", "seed")}


def _curve_rows(folder: Path, expected: Iterable[tuple[str, int]]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for run, seed in expected:
        log = folder / "runs" / run / str(seed) / "metrics.jsonl"
        if not log.is_file():
            continue
        curve = read_curve(log)
        values = [curve.values.get(name, []) for name in CURVES]  # noqa: PD011 - not a DataFrame
        rows += [[run, seed, *line] for line in zip(curve.steps, *values, strict=True)]
    return rows


def _dialogues(path: Path, folder: Path) -> Conversations:
    """Read a file of messages; raise `ParleyError` if its run, seed and split are not those of its path."""
    check_undamaged([path])
    read = read_conversations(path)
    run, seed, part = *owner_of(path), part_of(path)
    if (read.run, read.seed, read.part) != (run, seed, part):
        raise ParleyError(
            f"{path} contains dialogues of run {read.run}, seed {read.seed}, split {read.part}, not of run {run}, seed "
            f"{seed}, split {part}; remove it and run `{command_for('messages', folder)}`."
        )
    return read


def _message_files(folder: Path, part: str | None) -> list[Path]:
    """Return the paths of the message files of a seed, without the placeholder files of a failed run."""
    pattern = "messages.hdf5" if part == "test" else f"messages.{part}.hdf5" if part else "messages*.hdf5"
    return [path for path in sorted(folder.glob(pattern)) if failure_in(path) is None]
