"""What an experiment found, as tables of pandas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from parley.errors import ParleyError
from parley.export.frames import frame_of
from parley.export.tidy import tidy_columns
from parley.failures import failure_in
from parley.files import read_json
from parley.groups import read_groups
from parley.metrics.conversations import read_conversations
from parley.metrics.language import UNITS as LANGUAGE_UNITS
from parley.metrics.records import CURVES, finite, read_chosen_step, read_curve, read_evaluation
from parley.summary import UNITS, SummaryRow, in_order, summarise

if TYPE_CHECKING:
    import pandas as pd

EVALUATION_UNITS = {**UNITS, "hamming_sender": "bits", "hamming_receiver": "bits"}
"""Metrics of an evaluation.json, and the unit of each."""
METRIC_COLUMNS = ("run", "seed", "part", "metric", "value", "unit", "p")


@dataclass(frozen=True, slots=True)
class Found:
    """What an experiment found. Tables are tidy; a seed that failed has its rows, without values.

    Attributes
    ----------
    folder
        The experiment's.
    runs
        A row a run and seed: ``run, seed, evaluated, failed, why, step`` (of the chosen checkpoint), and then all
        settings of its config.json, as ``game.message_bits``.
    metrics
        ``run, seed, part, metric, value, unit, p``: the numbers of evaluation.json, and where there is one, of
        language.json; ``p`` is of those that have a null.
    curves
        ``run, seed, step, accuracy@1, accuracy@k, nll, length``: the dev results in training.
    summary
        The rows of summary.csv, brought together from the evaluations that are there.
    """

    folder: Path
    runs: pd.DataFrame
    metrics: pd.DataFrame
    curves: pd.DataFrame
    summary: pd.DataFrame

    def messages(self, run: str | None = None, seed: int | None = None, part: str | None = "test") -> pd.DataFrame:
        """Read conversations: a row a conversation, exchange and agent, as in `messages.parquet`.

        Parameters
        ----------
        run, seed, part
            Whose, and on which part; None for all. A part of all runs takes some kB a conversation.

        Raises
        ------
        ParleyError
            When there are no such conversations.
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
                f"{self.folder} has no conversations of "
                f"{', '.join(f'{name} {value}' for name, value in asked.items() if value is not None) or 'any run'}; "
                f"its runs are {', '.join(dict.fromkeys(self.runs['run']))}, and `snakemake messages` writes down what "
                "was said."
            )
        return pd.concat(
            [frame_of(tidy_columns(read_conversations(path), groups)) for path in wanted], ignore_index=True
        )


def load(folder: str | Path) -> Found:
    """Read what an experiment found.

    Parameters
    ----------
    folder
        ``results/<experiment>``.

    Raises
    ------
    ParleyError
        When the folder is no experiment's, or a file in it is damaged.
    """
    import pandas as pd

    folder = Path(folder)
    expected = _expected(folder)
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
        pd.DataFrame(_metric_rows(folder, evaluations, expected), columns=list(METRIC_COLUMNS)),
        pd.DataFrame(_curve_rows(folder, expected), columns=["run", "seed", "step", *CURVES]),
        pd.DataFrame(summary, columns=[field.name for field in fields(SummaryRow)]),
    )


def _expected(folder: Path) -> list[tuple[str, int]]:
    """Return every run and seed of the experiment's config."""
    path = folder / "config.yaml"
    if not path.is_file():
        raise ParleyError(
            f"{folder} is no experiment's folder: it has no config.yaml. Name results/<experiment>; `snakemake {path}` "
            "writes the file."
        )
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return [(run["name"], seed) for run in config["runs"] for seed in config["seeds"]]
    except (KeyError, TypeError) as error:
        raise ParleyError(f"{path} names no runs and seeds; remove it and run `snakemake {path}`.") from error


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


def _metric_rows(
    folder: Path, evaluations: list[dict[str, Any]], expected: Iterable[tuple[str, int]]
) -> list[dict[str, Any]]:
    evaluated = {(one["run"], one["seed"]): one["parts"] for one in evaluations}
    measured = {owner: _language(folder / "runs" / owner[0] / str(owner[1]) / "language.json") for owner in expected}
    rows = []
    for (run, seed), language in measured.items():
        # A seed that failed is told for all parts and metrics that others have.
        for part in in_order(part for parts in evaluated.values() for part in parts):
            entry = evaluated.get((run, seed), {}).get(part, {})
            for metric, unit in EVALUATION_UNITS.items():
                rows.append(_metric_row(run, seed, part, metric, unit, entry.get(metric), None))
        for part in in_order(part for parts in measured.values() for part in parts):
            entry = language.get(part, {"measures": {}, "p": {}})
            for metric, unit in LANGUAGE_UNITS.items():
                rows.append(
                    _metric_row(run, seed, part, metric, unit, entry["measures"].get(metric), entry["p"].get(metric))
                )
    return rows


def _metric_row(run: str, seed: int, part: str, metric: str, unit: str, value: Any, p: Any) -> dict[str, Any]:
    # Not None: of a metric that no seed has, the column would not be of numbers.
    known = [float("nan") if finite(number) is None else finite(number) for number in (value, p)]
    return {"run": run, "seed": seed, "part": part, "metric": metric, "value": known[0], "unit": unit, "p": known[1]}


def _language(path: Path) -> dict[str, Any]:
    if not path.is_file() or failure_in(path) is not None:
        return {}
    return dict(read_json(path)["parts"])


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
    """Return a seed's files of messages, without those of a run that failed."""
    pattern = "messages.hdf5" if part == "test" else f"messages.{part}.hdf5" if part else "messages*.hdf5"
    return [path for path in sorted(folder.glob(pattern)) if failure_in(path) is None]


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None
