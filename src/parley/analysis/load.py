"""The results of an experiment as pandas tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parley.analysis.summary import EVALUATION_UNITS, SummaryRow, in_order, summarise
from parley.config.saved_configs import named_runs
from parley.core.errors import ParleyError
from parley.core.failures import failure_in
from parley.core.files import read_json
from parley.dataset.class_set import read_groups
from parley.export.tidy import frame_of, tidy_columns
from parley.metrics.conversations import read_conversations
from parley.metrics.records import CURVES, finite, read_chosen_step, read_curve, read_evaluation
from parley.metrics.registry import UNITS as LANGUAGE_UNITS

if TYPE_CHECKING:
    import pandas as pd


METRIC_COLUMNS = ("run", "seed", "part", "metric", "value", "unit", "p", "null_mean", "null_high")

Parts = Mapping[str, Mapping[str, Any]]
"""The content of a file of one run and seed, by split."""


def metric_rows(
    folder: Path, evaluations: Sequence[Mapping[str, Any]], expected: Iterable[tuple[str, int]]
) -> list[dict[str, Any]]:
    """Return one row of `METRIC_COLUMNS` per run, seed, split and metric; unknown values are NaN.

    Parameters
    ----------
    folder
        The experiment's folder.
    evaluations
        Contents of `evaluation.json` of the seeds that have one.
    expected
        Every run and seed. A failed one has a row for each split and metric that others have.
    """
    evaluated = {(one["run"], one["seed"]): one["parts"] for one in evaluations}
    measured = {owner: _language(folder / "runs" / owner[0] / str(owner[1]) / "language.json") for owner in expected}
    units = _units(evaluated.values(), measured.values())
    rows = []
    for (run, seed), language in measured.items():
        for part, of_part in units.items():
            counted, of_language = evaluated.get((run, seed), {}).get(part, {}), language.get(part, {})
            for metric, unit in of_part.items():
                about = {"run": run, "seed": seed, "part": part, "metric": metric, "unit": unit}
                rows.append({**about, **_numbers(metric, counted, of_language)})
    return rows


def _language(path: Path) -> Parts:
    if not path.is_file() or failure_in(path) is not None:
        return {}
    return dict(read_json(path)["parts"])


def _units(evaluated: Iterable[Parts], measured: Iterable[Parts]) -> dict[str, dict[str, str]]:
    """Return the metrics of each split that any seed has, with their units."""
    of_evaluations, of_languages = ({part for parts in of for part in parts} for of in (evaluated, measured))
    own_of_language = {name: unit for name, unit in LANGUAGE_UNITS.items() if name not in EVALUATION_UNITS}
    return {
        part: {
            **(EVALUATION_UNITS if part in of_evaluations else {}),
            **(own_of_language if part in of_languages else {}),
        }
        for part in in_order(of_evaluations | of_languages)
    }


def _numbers(metric: str, counted: Mapping[str, Any], of_language: Mapping[str, Any]) -> dict[str, float]:
    """Return the values of a row; if both files have a metric, the value is the evaluation's, over all images."""
    null = of_language.get("null", {}).get(metric) or {}
    numbers = {
        "value": counted.get(metric) if metric in EVALUATION_UNITS else of_language.get("measures", {}).get(metric),
        "p": of_language.get("p", {}).get(metric),
        "null_mean": null.get("mean"),
        "null_high": null.get("high"),
    }
    # Not None: of a metric that no seed has, the column would not be of numbers.
    return {name: float("nan") if (known := finite(value)) is None else known for name, value in numbers.items()}


@dataclass(frozen=True, slots=True)
class Found:
    """The results of an experiment. Tables are tidy; a failed seed has its rows, without values.

    Attributes
    ----------
    folder
        The experiment's folder.
    runs
        One row per run and seed: ``run, seed, evaluated, failed, why, step`` (of the chosen checkpoint), and then all
        settings of its config.json, as ``game.message_bits``.
    metrics
        ``run, seed, part, metric, value, unit, p, null_mean, null_high``: the values of evaluation.json and, if
        it exists, of language.json; the last three are only for permutation-tested metrics. If both files have a
        metric, the value is that of evaluation.json.
    curves
        ``run, seed, step, accuracy@1, accuracy@k, nll, length``: the dev results in training.
    summary
        The rows of summary.csv, computed from the evaluations that exist.
    """

    folder: Path
    runs: pd.DataFrame
    metrics: pd.DataFrame
    curves: pd.DataFrame
    summary: pd.DataFrame

    def messages(self, run: str | None = None, seed: int | None = None, part: str | None = "test") -> pd.DataFrame:
        """Read dialogues: one row per dialogue, exchange and agent, as in `messages.parquet`.

        Parameters
        ----------
        run, seed, part
            The run, seed and split; None for all. A split of all runs takes some kB per dialogue.

        Raises
        ------
        ParleyError
            If there are no such dialogues.
        """
        import pandas as pd

        groups = read_groups(_if_there(self.folder / "classes.tsv"))
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
                f"its runs are {', '.join(dict.fromkeys(self.runs['run']))}, and `snakemake --cores 1 messages` writes "
                "their dialogues."
            )
        return pd.concat(
            [frame_of(tidy_columns(read_conversations(path), groups)) for path in wanted], ignore_index=True
        )


def load(folder: str | Path) -> Found:
    """Read the results of an experiment.

    Parameters
    ----------
    folder
        ``results/<experiment>``.

    Raises
    ------
    ParleyError
        If the folder is not an experiment's, or a file in it is damaged.
    """
    import pandas as pd

    folder = Path(folder)
    expected = named_runs(folder)
    rows = [_run_row(folder / "runs" / run / str(seed), run, seed) for run, seed in expected]
    evaluations = [
        read_evaluation(folder / "runs" / row["run"] / str(row["seed"]) / "evaluation.json")
        for row in rows
        if row["evaluated"]
    ]
    summary = [asdict(row) for row in summarise(evaluations, expected)]
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
        **(_flat(read_json(settings)) if settings.is_file() else {}),
    }


def _flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Name settings by their path, such as game.message_bits."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found if above else {name: value for name, value in found.items() if name not in ("run", "seed")}


def _curve_rows(folder: Path, expected: Iterable[tuple[str, int]]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for run, seed in expected:
        log = folder / "runs" / run / str(seed) / "metrics.jsonl"
        if not log.is_file():
            continue
        curve = read_curve(log)
        values = [curve.values.get(name, []) for name in CURVES]  # noqa: PD011 - no frame
        rows += [[run, seed, *line] for line in zip(curve.steps, *values, strict=True)]
    return rows


def _message_files(folder: Path, part: str | None) -> list[Path]:
    """Return a seed's files of messages, without those of a failed run."""
    pattern = "messages.hdf5" if part == "test" else f"messages.{part}.hdf5" if part else "messages*.hdf5"
    return [path for path in sorted(folder.glob(pattern)) if failure_in(path) is None]


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None
