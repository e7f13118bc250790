"""Evaluate a checkpoint on files of features, as `eval_only` of the 2017 code did.

Writes evaluation.json, eval.csv, and a confusion matrix for each file.
"""

import csv
import io
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from parley.core.errors import ParleyError
from parley.core.files import read_json, write_json, write_text
from parley.core.formats import fraction
from parley.evaluation.any_checkpoint import (
    LoadedCheckpoint,
    Predictions,
    evaluate_file,
    open_checkpoint,
    run_folder,
    under_control,
)
from parley.game.settings import TrainingSettings
from parley.interaction.run import nominal_batch, score
from parley.metrics.classification import confusion_counts
from parley.metrics.exchanges import mean_change_original
from parley.training.checkpoint_selection import read_log

logger = logging.getLogger(__name__)


class Row(NamedTuple):
    """One checkpoint on one file. Fields have the names and the order of the 2017 code's columns."""

    checkpoint: str
    eval_file: str
    topk: int
    step: int
    best_dev_acc: float | None
    """Best dev accuracy@k of the run up to this step; None if there is no log."""
    eval_acc: float
    """accuracy@k."""
    convlen_mean: float
    """Mean number of go-on bits in a dialogue."""
    convlen_std: float
    """Standard deviation of the number of go-on bits, divided by N, not N - 1."""


def sheet(rows: Iterable[Row]) -> str:
    """Return the CSV text with its header; paths with a comma are quoted, unknown values are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)
    return text.getvalue()


def best_dev_accuracy(folder: str | Path, step: int, training: TrainingSettings) -> float | None:
    """Return the best dev accuracy@k of a run up to a step, from `metrics.jsonl` or else `selection.json`.

    As in the 2017 code, only steps with a saved checkpoint count.

    Parameters
    ----------
    folder
        The run's folder.
    step
        The checkpoint's step.
    training
        Training settings of the run.
    """
    first = min(training.first_checkpoint, training.steps)
    results = [
        float(row["accuracy@k"])
        for row in _dev_rows(Path(folder))
        if isinstance(row.get("step"), int)
        and isinstance(row.get("accuracy@k"), int | float)
        and first <= row["step"] <= step
    ]
    return max(results, default=None)


def _dev_rows(folder: Path) -> list[dict[str, Any]]:
    log, selection = folder / "metrics.jsonl", folder / "selection.json"
    try:
        if log.is_file():
            return [row for row in read_log(log) if isinstance(row, dict) and row.get("kind") == "dev"]
        if selection.is_file():
            found = read_json(selection)
            rows = found.get("candidates", []) if isinstance(found, dict) else []
            return [row for row in rows if isinstance(row, dict)]
    except (ParleyError, OSError, UnicodeDecodeError) as error:
        logger.warning("best_dev_acc stays empty in eval.csv: %s", error)
    return []


class FileResult(NamedTuple):
    """The results of one file."""

    result: dict[str, Any]
    """Its entry in evaluation.json."""
    row: Row
    confusion: str
    """The content of conf_mat.txt."""


def evaluate_files(
    checkpoint_path: str | Path,
    features: Sequence[str | Path],
    descriptions: str | Path,
    words: str | Path,
    among: str,
    k: int,
    folder: str | Path,
    controls: Sequence[str] = (),
    schema: Mapping[str, Any] | None = None,
) -> None:
    """Evaluate a checkpoint on files of features and write the results.

    Parameters
    ----------
    checkpoint_path
        Path of any checkpoint.
    features
        Paths of the HDF5 files.
    descriptions, words
        ``descriptions.csv`` and ``words.hdf5``.
    among
        Which classes are candidates, one of `parley.interaction.eval_sets.CANDIDATES`.
    k
        K of accuracy@K; at most the number of candidates.
    folder
        Output folder. Existing files of the same names are replaced.
    controls, schema
        Game settings to change, ``key=value``, and the config's schema to validate them.
    """
    folder = Path(folder)
    if (folder / "best.pt").exists():
        raise ParleyError(
            f"{folder} is the folder of a run, which has its own evaluation.json; name another with --out."
        )
    names = part_names(features)
    loaded = open_checkpoint(checkpoint_path, descriptions, words)
    if controls and schema is not None:
        loaded = loaded._replace(checkpoint=under_control(loaded.checkpoint, controls, schema))
    best = best_dev_accuracy(run_folder(checkpoint_path), loaded.checkpoint.step, loaded.checkpoint.training)
    results: dict[str, FileResult] = {}
    for name, path in names.items():
        results[name] = _evaluate_file(
            loaded, evaluate_file(loaded, path, among), k, str(path), str(checkpoint_path), best
        )
        logger.info("%s: %s", path, sentence(results[name].result))
    _write(folder, loaded, results, k, str(checkpoint_path))


def _evaluate_file(
    loaded: LoadedCheckpoint, predictions: Predictions, k: int, path: str, checkpoint_path: str, best: float | None
) -> FileResult:
    checkpoint = loaded.checkpoint
    size = checkpoint.training.dev_batch_size
    counted = score(predictions.played, k, nominal_batch(checkpoint.game, size))
    result = {**counted, **_changes(predictions, size), "file": path}
    dialogue = predictions.played.dialogue
    # As the 2017 code counts: decisions to go on while the dialogue is active.
    lengths = ((dialogue.go_on > 0) & (dialogue.active > 0)).numpy().sum(0)
    row = Row(
        checkpoint_path,
        path,
        result["k"],
        checkpoint.step,
        best,
        result["accuracy@k"],
        float(lengths.mean()),
        float(lengths.std()),
    )
    ids = np.asarray(predictions.candidate_ids)
    predicted = ids[dialogue.final_scores.numpy().argmax(1)]
    confusion = confusion_counts(ids[predictions.played.target_index.numpy()], predicted).tolist()
    return FileResult(result, row, "".join(",".join(map(str, row)) + "\n" for row in confusion))


def _changes(predictions: Predictions, batch_size: int) -> dict[str, float | None]:
    """Return the mean change of each agent's messages between exchanges, in bits, as the 2017 code computes it."""
    dialogue = predictions.played.dialogue
    active = dialogue.active.numpy()
    found: dict[str, float | None] = {}
    for agent, bits in (("sender", dialogue.sender_bits.numpy()), ("receiver", dialogue.receiver_bits.numpy())):
        found[f"hamming_{agent}_original"] = mean_change_original(bits, active, batch_size)
    return found


def sentence(result: Mapping[str, Any]) -> str:
    """Return the main metrics of a file as a phrase."""
    return (
        f"{result['n']} images among {result['candidates']} classes, "
        f"accuracy@1 {fraction(result['accuracy@1'])} (chance {fraction(result['chance@1'])}), "
        f"accuracy@{result['k']} {fraction(result['accuracy@k'])} (chance {fraction(result['chance@k'])}), "
        f"length {result['length']:.2f} exchanges"
    )


def _write(
    folder: Path, loaded: LoadedCheckpoint, results: Mapping[str, FileResult], k: int, checkpoint_path: str
) -> None:
    head = {**loaded.about, "k": k, "step": loaded.checkpoint.step, "checkpoint": checkpoint_path}
    write_json(folder / "evaluation.json", {**head, "parts": {name: one.result for name, one in results.items()}})
    write_text(folder / "eval.csv", sheet(one.row for one in results.values()))
    for name, one in results.items():
        write_text(folder / ("conf_mat.txt" if len(results) == 1 else f"conf_mat.{name}.txt"), one.confusion)


def part_names(features: Sequence[str | Path]) -> dict[str, str | Path]:
    """Name each file by its stem; equal stems are preceded by as many parent folders as make them unique.

    Raises
    ------
    ParleyError
        If two files get the same name, as when a file is given twice.
    """
    # Without the root, which would put a slash into the name.
    tails = [Path(os.path.abspath(path)).with_suffix("").parts[1:] for path in features]  # noqa: PTH100
    lengths = [1] * len(tails)
    for _ in range(max(map(len, tails))):
        names = ["-".join(tail[-length:]) for tail, length in zip(tails, lengths, strict=True)]
        counts = Counter(names)
        if len(counts) == len(names):
            return dict(zip(names, features, strict=True))
        lengths = [length + (counts[name] > 1) for length, name in zip(lengths, names, strict=True)]
    alike = [str(path) for path, name in zip(features, names, strict=True) if counts[name] > 1]
    raise ParleyError(f"{', '.join(alike)} have the same name; list each file once, or evaluate them one at a time.")
