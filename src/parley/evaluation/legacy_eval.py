"""A checkpoint judged on files of features, as the 2017 code's `eval_only` did.

Out: evaluation.json, eval.csv, and a confusion matrix for each file.
"""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from parley.core.errors import ParleyError
from parley.core.files import write_json, write_text
from parley.core.formats import fraction
from parley.evaluation.any_checkpoint import Told, Trial, open_trial, play_file, run_folder
from parley.evaluation.controls import under_control
from parley.evaluation.eval_sheet import Row, best_dev_accuracy, sheet
from parley.interaction import run as evaluation
from parley.metrics.confusion import as_lines, confusion_counts
from parley.metrics.hamming import mean_change_original
from parley.metrics.lengths import go_on_bits

logger = logging.getLogger(__name__)


class Judged(NamedTuple):
    """What came out of one file."""

    result: dict[str, Any]
    """Its entry in evaluation.json."""
    row: Row
    confusion: str
    """The content of conf_mat.txt."""


def judge_files(
    checkpoint: str | Path,
    features: Sequence[str | Path],
    descriptions: str | Path,
    words: str | Path,
    among: str,
    k: int,
    folder: str | Path,
    controls: Sequence[str] = (),
    schema: Mapping[str, Any] | None = None,
) -> None:
    """Play a checkpoint on files of features and write down what came out.

    Parameters
    ----------
    checkpoint
        Any checkpoint.
    features
        HDF5 files.
    descriptions, words
        ``descriptions.csv`` and ``words.hdf5``.
    among
        Which classes are candidates, one of `candidates.CANDIDATES`.
    k
        The K of accuracy@K; where there are fewer candidates, their number.
    folder
        Where to write. What lies there under the same names is replaced.
    controls, schema
        Settings of the game to play under, ``key=value``, and the config's schema to check them by.
    """
    folder = Path(folder)
    if (folder / "best.pt").exists():
        raise ParleyError(f"{folder} is the folder of a run, with an evaluation of its own; name another with --out.")
    names = part_names(features)
    trial = open_trial(checkpoint, descriptions, words)
    if controls and schema is not None:
        trial = trial._replace(moment=under_control(trial.moment, controls, schema))
    best = best_dev_accuracy(run_folder(checkpoint), trial.moment.step, trial.moment.training)
    judged: dict[str, Judged] = {}
    for name, path in names.items():
        judged[name] = _judge(trial, play_file(trial, path, among), k, str(path), str(checkpoint), best)
        logger.info("%s: %s", path, sentence(judged[name].result))
    _write(folder, trial, judged, k, str(checkpoint))


def _judge(trial: Trial, told: Told, k: int, path: str, checkpoint: str, best: float | None) -> Judged:
    moment = trial.moment
    size = moment.training.dev_batch_size
    counted = evaluation.score(told.played, k, evaluation.nominal_batch(moment.game, size))
    result = {**counted, **_changes(told, size), "file": path}
    dialogue = told.played.dialogue
    lengths = go_on_bits(dialogue.go_on.T.numpy() > 0, dialogue.active.T.numpy() > 0)
    row = Row(
        checkpoint,
        path,
        result["k"],
        moment.step,
        best,
        result["accuracy@k"],
        float(lengths.mean()),
        float(lengths.std()),
    )
    ids = np.asarray(told.candidate_ids)
    predicted = ids[dialogue.final_scores.numpy().argmax(1)]
    return Judged(result, row, as_lines(confusion_counts(ids[told.played.places.numpy()], predicted).counts))


def _changes(told: Told, batch_size: int) -> dict[str, float | None]:
    """Return how much each agent's messages change as the 2017 code counts it, in bits."""
    dialogue = told.played.dialogue
    active = dialogue.active.numpy()
    found: dict[str, float | None] = {}
    for agent, bits in (("sender", dialogue.sender_bits.numpy()), ("receiver", dialogue.receiver_bits.numpy())):
        found[f"hamming_{agent}_original"] = mean_change_original(bits, active, batch_size)
    return found


def sentence(result: Mapping[str, Any]) -> str:
    """Return the main counts of a file as a phrase."""
    return (
        f"{result['n']} images among {result['candidates']} classes, "
        f"accuracy@1 {fraction(result['accuracy@1'])} (chance {fraction(result['chance@1'])}), "
        f"accuracy@{result['k']} {fraction(result['accuracy@k'])} (chance {fraction(result['chance@k'])}), "
        f"length {result['length']:.2f} exchanges"
    )


def _write(folder: Path, trial: Trial, judged: Mapping[str, Judged], k: int, checkpoint: str) -> None:
    head = {**trial.about, "k": k, "step": trial.moment.step, "checkpoint": checkpoint}
    write_json(folder / "evaluation.json", {**head, "parts": {name: one.result for name, one in judged.items()}})
    write_text(folder / "eval.csv", sheet(one.row for one in judged.values()))
    for name, one in judged.items():
        write_text(folder / ("conf_mat.txt" if len(judged) == 1 else f"conf_mat.{name}.txt"), one.confusion)


def part_names(features: Sequence[str | Path]) -> dict[str, str | Path]:
    """Name each file by its stem; where stems are the same, by as many folders before it as tell them apart.

    Raises
    ------
    ParleyError
        When that cannot be: the same file twice, say.
    """
    # Without the root, which would become a slash in a file's name.
    tails = [Path(os.path.abspath(path)).with_suffix("").parts[1:] for path in features]  # noqa: PTH100
    lengths = [1] * len(tails)
    for _ in range(max(map(len, tails))):
        names = ["-".join(tail[-length:]) for tail, length in zip(tails, lengths, strict=True)]
        counts = Counter(names)
        if len(counts) == len(names):
            return dict(zip(names, features, strict=True))
        lengths = [length + (counts[name] > 1) for length, name in zip(lengths, names, strict=True)]
    alike = [str(path) for path, name in zip(features, names, strict=True) if counts[name] > 1]
    raise ParleyError(f"{', '.join(alike)} cannot be told apart by name; name each file once, or one at a time.")
