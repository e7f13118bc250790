"""Evaluate a checkpoint on feature files, like the flag `eval_only` of the original implementation.

Writes evaluation.json, eval.csv, and a confusion matrix per file. The original implementation is the code of Evtimova
et al. (2018).
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
from parley.core.formats import fraction, listed
from parley.evaluation.any_checkpoint import open_checkpoint, run_config, run_folder, run_on_file, under_control
from parley.evaluation.evaluate import EvalBatchSpec
from parley.game.settings import TrainingSettings
from parley.game.types import Dialogue
from parley.interaction.eval_sets import DEFAULT_K
from parley.interaction.run import nominal_batch, score
from parley.metrics.classification import confusion_counts
from parley.metrics.exchanges import Values, distances
from parley.training.checkpoint import Checkpoint
from parley.training.checkpoint_selection import read_log

logger = logging.getLogger(__name__)
MOST_NAMED = 10
"""Maximum number of candidates to list."""


class Row(NamedTuple):
    """A row of eval.csv: the results of a checkpoint on a feature file, in the original implementation's columns."""

    checkpoint: str
    eval_file: str
    topk: int
    step: int
    best_dev_acc: float | None
    """Best dev accuracy@K of the run up to this step; None if there is no readable log."""
    eval_acc: float
    """Accuracy@K on the feature file."""
    convlen_mean: float
    """Mean number of decisions to go on per dialogue."""
    convlen_std: float
    """Population standard deviation (divided by N) of the number of decisions to go on per dialogue."""


def sheet(rows: Iterable[Row]) -> str:
    """Format rows as CSV text with a header. Paths that contain a comma are quoted; None becomes an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)
    return text.getvalue()


def best_dev_accuracy(folder: str | Path, step: int, training: TrainingSettings) -> float | None:
    """Return the best dev accuracy@k of a run up to a step, or None if the run folder has no readable results.

    The value is read from `metrics.jsonl`, or from `selection.json` if there is no log. As in the original
    implementation, only steps with a saved checkpoint are considered.
    """
    first = min(training.first_checkpoint, training.steps)
    log, selection = Path(folder, "metrics.jsonl"), Path(folder, "selection.json")
    try:
        if log.is_file():
            rows = [row for row in read_log(log) if row["kind"] == "dev"]
        else:
            rows = read_json(selection)["candidates"] if selection.is_file() else []
        return max((float(row["accuracy@k"]) for row in rows if first <= row["step"] <= step), default=None)
    except (ParleyError, OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("The column best_dev_acc of eval.csv is left empty: %s", error)
        return None


def evaluate_files(
    checkpoint_path: str | Path,
    features: Sequence[str | Path],
    descriptions: str | Path,
    words: str | Path,
    among: str,
    k: int | None,
    folder: str | Path,
    controls: Sequence[str] = (),
    schema: Mapping[str, Any] | None = None,
) -> None:
    """Evaluate a checkpoint on feature files and write the results to a folder.

    Parameters
    ----------
    checkpoint_path
        Path of any checkpoint.
    features
        Paths of the HDF5 feature files.
    descriptions, words
        Paths of ``descriptions.csv`` and ``words.hdf5``.
    among
        Which classes are candidates, one of `parley.interaction.eval_sets.CANDIDATES`.
    k
        The K of accuracy@K; None for that of the run's `config.json`, or `DEFAULT_K` without one. If there are fewer
        candidates, their number is used instead.
    folder
        Output folder. Existing files with the same names are replaced.
    controls, schema
        Game settings to change, as ``key=value`` pairs, and the config's JSON schema, used to validate the settings.
    """
    folder = Path(folder)
    if (folder / "best.pt").exists():
        raise ParleyError(
            f"{folder} is the folder of a run, which has its own evaluation.json; choose another folder with --out."
        )
    names = part_names(features)
    loaded = open_checkpoint(checkpoint_path, descriptions, words)
    if controls and schema is not None:
        loaded = loaded._replace(checkpoint=under_control(loaded.checkpoint, controls, schema))
    checkpoint = loaded.checkpoint
    k = k or int(run_config(checkpoint_path, checkpoint).get("k", DEFAULT_K))
    best = best_dev_accuracy(run_folder(checkpoint_path), checkpoint.step, checkpoint.training)
    results: dict[str, dict[str, Any]] = {}
    rows, confusion = [], {}
    for name, path in names.items():
        spec, dialogues = run_on_file(loaded, path, among)
        # The original implementation defines a dialogue's length as its number of decisions to go on.
        lengths = ((dialogues.go_on > 0) & (dialogues.active > 0)).numpy().sum(0)
        results[name] = result = {**_metrics(checkpoint, spec, dialogues, k), "file": str(path)}
        rows.append(
            Row(
                str(checkpoint_path),
                str(path),
                result["k"],
                checkpoint.step,
                best,
                result["accuracy@k"],
                float(lengths.mean()),
                float(lengths.std()),
            )
        )
        ids = np.asarray(spec.candidate_ids)
        predicted = ids[dialogues.final_scores.numpy().argmax(1)]
        counts = confusion_counts(ids[spec.target_index.numpy()], predicted).tolist()
        confusion[name] = "".join(",".join(map(str, row)) + "\n" for row in counts)
        logger.info("%s: %s", path, sentence(result))
        logger.info("The candidates are %s.", listed(spec.labels, MOST_NAMED))
        del spec, dialogues  # Free the memory before the next file's dialogues are run.
    head = {**loaded.about, "k": k, "step": checkpoint.step, "checkpoint": str(checkpoint_path)}
    write_json(folder / "evaluation.json", {**head, "parts": results})
    write_text(folder / "eval.csv", sheet(rows))
    for name, text in confusion.items():
        write_text(folder / ("conf_mat.txt" if len(confusion) == 1 else f"conf_mat.{name}.txt"), text)


def _metrics(checkpoint: Checkpoint, spec: EvalBatchSpec, dialogues: Dialogue, k: int) -> dict[str, Any]:
    """Compute the metrics of a feature file, including mean changes of messages as in the original implementation."""
    size, active = checkpoint.training.dev_batch_size, dialogues.active.numpy()
    bits = {"sender": dialogues.sender_bits.numpy(), "receiver": dialogues.receiver_bits.numpy()}
    return {
        **score(dialogues, spec.target_index, k, nominal_batch(checkpoint.game, size)),
        **{f"hamming_{agent}_original": mean_change_original(values, active, size) for agent, values in bits.items()},
    }


def mean_change_original(messages: Values, active: Values, batch_size: int) -> float:
    """Return the mean change of messages, in bits, as the original implementation (Evtimova et al., 2018) computes it.

    The original implementation reports it as `hamming_sen_mean` and `hamming_rec_mean`. It is the mean Hamming distance
    between successive messages, where the first message is compared with zeros. In each batch, all images are included
    at every exchange until the last dialogue of the batch has stopped. All batches have equal weight, even if the last
    one is smaller.

    Parameters
    ----------
    messages
        Messages of one agent, ``[T, N, d]``.
    active
        1 if the dialogue is still active when exchange t begins, else 0, ``[T, N]``.
    batch_size
        Number of images per batch.
    """
    apart = distances(messages)
    means = []
    for start in range(0, active.shape[1], batch_size):
        rows = slice(start, start + batch_size)
        exchanges = int(active[:, rows].sum(0).max())
        means.append(apart[:exchanges, rows].mean())
    return float(np.mean(means))


def sentence(result: Mapping[str, Any]) -> str:
    """Format the main metrics of a file as one line of text."""
    accuracies = [
        f"accuracy@{k} {fraction(result[f'accuracy@{key}'])} (chance {fraction(result[f'chance@{key}'])})"
        for key, k in (("1", 1), ("k", result["k"]))
    ]
    return ", ".join(
        [
            f"{result['n']} images among {result['candidates']} classes",
            *dict.fromkeys(accuracies),
            f"length {result['length']:.2f} exchanges",
        ]
    )


def part_names(features: Sequence[str | Path]) -> dict[str, str | Path]:
    """Name each file by its stem. To equal stems, prepend as many parent folders as make the names unique.

    Raises
    ------
    ParleyError
        If two files still have the same name, for example because a file is listed twice.
    """
    # The root is dropped, because it would add a slash to the name.
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
