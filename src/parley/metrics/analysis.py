"""Analyse the recorded dialogues of one run and seed. The results are the contents of its analysis.json."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.metrics.classification import accuracy, class_means, confusion_matrix
from parley.metrics.conversations import Conversations, read_conversations
from parley.metrics.exchanges import Floats, chance, hits, nll_nats, target_ranks
from parley.metrics.information import message_entropy_bits, prediction_entropy_bits
from parley.metrics.records import read_evaluation

logger = logging.getLogger(__name__)
MOST_IN_MATRIX = 1000
"""Maximum number of candidates for a confusion matrix; 21,841 would give 477 million cells, nearly all zero."""
TOLERANCE = 0.005
"""A warning is given if an accuracy differs from its value in evaluation.json by more than this."""


def analyse_run(folder: str | Path, messages: Sequence[str | Path] | None = None) -> dict[str, Any]:
    """Analyse all recorded splits of one run and seed.

    Parameters
    ----------
    folder
        Folder of the run and seed, with evaluation.json, messages.hdf5 (test split) and messages.<part>.hdf5.
    messages
        Files of recorded dialogues; all in the folder by default.

    Returns
    -------
    dict[str, Any]
        Results that can be written as JSON: `run`, `seed`, `parts` (split → result of `analyse_part`) and `warnings`
        (one sentence per inconsistency).
    """
    folder = Path(folder)
    evaluation = read_evaluation(folder / "evaluation.json")
    files = messages if messages is not None else [folder / "messages.hdf5", *sorted(folder.glob("messages.*.hdf5"))]
    parts: dict[str, Any] = {}
    warnings: list[str] = []
    for path in map(Path, files):
        conversations = read_conversations(path)
        _check_owner(conversations, evaluation, path)
        evaluated = evaluation["parts"].get(conversations.part, {})
        part = analyse_part(conversations, int(evaluated.get("k", evaluation["k"])))
        parts[conversations.part] = part
        warnings += _disagreements(conversations.part, part, evaluated, path)
        del conversations  # free the memory before the next file is read
    for sentence in warnings:
        logger.warning(sentence)
    return {"run": evaluation["run"], "seed": evaluation["seed"], "parts": parts, "warnings": warnings}


def analyse_part(conversations: Conversations, k: int) -> dict[str, Any]:
    """Analyse the dialogues of one split.

    Parameters
    ----------
    conversations
        Recorded dialogues of the split.
    k
        Value of k in accuracy@k. It is reduced to the number of candidates if it is larger.

    Returns
    -------
    dict[str, Any]
        Results that can be written as JSON. If scores or messages are not finite, `failed` is the reason and there are
        no metrics; otherwise it is None. `confusion` is None if there are more than `MOST_IN_MATRIX` candidates.
    """
    labels = conversations.labels
    head: dict[str, Any] = {
        "part": conversations.part,
        "n": len(conversations.keys),
        "labels": list(labels),
        "message_bits": conversations.sender_messages.shape[-1],
        "max_exchanges": conversations.talking.shape[-1],
        "k": min(k, len(labels)),
        "failed": None,
    }
    if not conversations.finite:
        return head | {"failed": "its scores or messages are not all finite numbers: the run diverged"}
    scores, targets = conversations.final_scores, conversations.targets
    return head | {
        "accuracy@1": accuracy(scores, targets),
        "chance@1": chance(1, len(labels)),
        "accuracy@k": accuracy(scores, targets, k),
        "chance@k": chance(k, len(labels)),
        "nll_nats": float(nll_nats(scores, targets).mean()),
        "mean_rank": float(target_ranks(scores, targets).mean()),
        "length": float(conversations.lengths.mean()),
        # The original implementation (Evtimova et al., 2018) counts decisions to continue: one fewer than there are
        # exchanges, or as many as exchanges if the last decision is also to continue.
        "length_original": float((conversations.go_on & conversations.talking).sum(axis=-1).mean()),
        "classes": _by_class(conversations, k),
        "confusion": confusion_matrix(scores, targets).tolist() if len(labels) <= MOST_IN_MATRIX else None,
        "by_length": _by_length(conversations),
        "by_exchange": _by_exchange(conversations),
        "messages": _messages(conversations),
    }


def _by_class(conversations: Conversations, k: int) -> list[dict[str, Any]]:
    """Return the means of each candidate class; the means of a class without images are None."""
    scores, targets, candidates = conversations.final_scores, conversations.targets, len(conversations.labels)
    columns = {
        "accuracy@1": class_means(hits(scores, targets, 1), targets, candidates),
        "accuracy@k": class_means(hits(scores, targets, k), targets, candidates),
        "length": class_means(conversations.lengths, targets, candidates),
    }
    counts = np.bincount(targets, minlength=candidates)
    return [
        {"class": label, "label_id": conversations.candidate_ids[c], "n": int(counts[c])}
        | {name: (float(values[c]) if counts[c] else None) for name, values in columns.items()}
        for c, label in enumerate(conversations.labels)
    ]


def _by_length(conversations: Conversations) -> list[dict[str, Any]]:
    """Return the number of dialogues and their accuracy for each length from 1 to T exchanges."""
    right = hits(conversations.final_scores, conversations.targets, 1)
    steps = conversations.talking.shape[-1]
    counts = np.bincount(conversations.lengths - 1, minlength=steps)
    means = class_means(right, conversations.lengths - 1, steps)
    return [
        {"length": t + 1, "n": int(counts[t]), "accuracy@1": float(means[t]) if counts[t] else None}
        for t in range(steps)
    ]


def _by_exchange(conversations: Conversations) -> dict[str, list[float | None] | None]:
    """Return means at each exchange, over all dialogues as if none stopped (`all`) and over active ones (`talking`)."""
    talking = conversations.talking
    targets = np.broadcast_to(conversations.targets[:, None], talking.shape)
    table: dict[str, NDArray[np.float64] | None] = {
        "accuracy@1": hits(conversations.scores, targets, 1),
        "prediction_entropy_bits": prediction_entropy_bits(conversations.scores),
        "go_on_probability": conversations.go_on_probabilities.astype(np.float64),
        "sender_entropy_bits": None,
        "receiver_entropy_bits": None,
    }
    if conversations.binary:
        table["sender_entropy_bits"] = message_entropy_bits(conversations.sender_values)
        table["receiver_entropy_bits"] = message_entropy_bits(conversations.receiver_values)
    result: dict[str, list[float | None] | None] = {"talking": talking.mean(axis=0).tolist()}
    for name, values in table.items():
        result[f"{name}_all"] = None if values is None else values.mean(axis=0).tolist()
        result[f"{name}_talking"] = None if values is None else conversations.mean_while_active(values)
    return result


def _messages(conversations: Conversations) -> dict[str, Any]:
    """Return the number of distinct last messages of the Sender, and their first two principal components."""
    messages = conversations.final_messages
    coordinates, explained = principal_components(messages)
    return {
        "distinct": len(np.unique(messages, axis=0)),
        "explained": explained.tolist(),
        "coordinates": coordinates.round(6).tolist(),
        "targets": conversations.targets.tolist(),
        "keys": list(conversations.keys),
    }


def principal_components(rows: NDArray[np.number]) -> tuple[Floats, Floats]:
    """Project items on their first two principal components, by singular value decomposition of the centred rows.

    The sign of a component is arbitrary. Here, the loading with the largest absolute value is made positive, so that
    the same rows give the same figure on any machine. If rows have only one component, the second is zero.

    Parameters
    ----------
    rows
        ``[N, d]``: one row per item.

    Returns
    -------
    coordinates : Floats
        ``[N, 2]``: coordinates of the centred rows.
    explained : Floats
        ``[2]``: fraction of the total variance along each component; zeros if all rows are equal.
    """
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    kept = min(2, len(singular))
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    coordinates = np.zeros((len(rows), 2))
    coordinates[:, :kept] = (left * singular * signs)[:, :kept]
    explained = np.zeros(2)
    total = float((singular**2).sum())
    # If all rows are equal, subtracting their mean leaves rounding errors, which must not be taken for variance.
    if total > 1e-18 * max(1.0, float(np.abs(rows).max())) ** 2 * rows.size:
        explained[:kept] = (singular**2 / total)[:kept]
    else:
        coordinates[:] = 0.0
    return coordinates, explained


def _check_owner(conversations: Conversations, evaluation: dict[str, Any], path: Path) -> None:
    own, evaluated = (conversations.run, conversations.seed), (evaluation["run"], evaluation["seed"])
    if own != evaluated:
        raise ParleyError(
            f"{path} has messages of run {own[0]}, seed {own[1]}, but evaluation.json in the same folder is of "
            f"run {evaluated[0]}, seed {evaluated[1]}; remove both files and run again."
        )


def _disagreements(name: str, part: dict[str, Any], evaluated: dict[str, Any], path: Path) -> list[str]:
    """Return one sentence per contradiction between the recorded dialogues and the evaluation."""
    if part["failed"] is not None:
        return [f"{path}: {part['failed']}."]
    if part["n"] < evaluated.get("n", 0):
        # The accuracy on a random subset differs by chance. The sentence below is the same for every run and seed.
        return [
            f"Figures and metrics of dialogues on the split {name} use {part['n']:,} of its {evaluated['n']:,} images "
            "(evaluation.recorded_images)."
        ]
    found = []
    for metric in ("accuracy@1", "accuracy@k"):
        value = evaluated.get(metric)
        if isinstance(value, (int, float)) and not abs(part[metric] - value) <= TOLERANCE:
            found.append(
                f"{path}: {metric} of the messages is {part[metric]:.4f}, evaluation.json says {value:.4f}; "
                "the two files come from different checkpoints, data or code; remove both and run again."
            )
    return found
