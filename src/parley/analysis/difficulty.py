"""Difficulty of the classes: a linear classifier on the image features, as an upper reference for the agents.

It sees what the Sender sees and needs no message, so its errors are not due to the language. It predicts only classes
that it was trained on.
"""

import logging
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from parley.analysis.linear_classifier import GRADIENT, LinearClassifier, fit
from parley.config.memory_budget import require_memory_for_classifier
from parley.core.errors import ParleyError
from parley.core.files import write_csv, write_json
from parley.features.storage import read_features
from parley.interaction.split_data import Scale, scale_of, target_index_of
from parley.metrics.classification import class_scores, confusion_matrix, macro_f1
from parley.metrics.exchanges import accuracy, chance, nll_nats
from parley.text.descriptions import read_descriptions

logger = logging.getLogger(__name__)
PARTS = ("train", "dev", "test")
PENALTIES = (1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001)
"""Penalties to choose from on the dev split, strongest first: each fit starts where the last one ended."""
LOOSE = 1e-4
"""Tolerance of the gradient, in nats, while penalties are compared, capped at `LOOSE_PART` of the penalty."""
LOOSE_PART = 0.03
"""For the same gradient, a classifier is further from its minimum if the penalty is weaker."""
RISES = 2
"""After this number of consecutive rises of the dev NLL, no weaker penalty is tried."""
COLUMNS = ("class", "label_id", "part", "n", "precision", "recall", "f1")
"""Of the table; an unknown value is an empty cell."""


class Split(NamedTuple):
    """Features and classes of one split."""

    features: Tensor
    """``[N, C]`` float64, on the scale of the train split."""
    targets: Tensor
    """``[N]`` int64: index of each image's class."""


class Choice(NamedTuple):
    """The classifier with the best dev result, and what it was chosen from."""

    classifier: LinearClassifier
    penalty: float
    candidates: list[dict[str, float]]
    """For each penalty that was tried: the dev NLL in nats, and the largest entry of the gradient."""


def write_difficulty(
    parts: Mapping[str, str], descriptions: str | Path, layer: str, table: str | Path, out: str | Path
) -> None:
    """Train the classifier on the train split, choose its penalty on the dev split, and evaluate it on all three.

    Parameters
    ----------
    parts
        Paths of the splits ``train``, ``dev`` and ``test``.
    descriptions
        ``descriptions.csv``: the names of the classes.
    layer
        The features: a layer's role or a dataset's name, which must be a vector.
    table, out
        ``difficulty.csv`` and ``difficulty.json``.
    """
    ids, seen = _seen(parts, layer)
    names = [row.label for row in read_descriptions(descriptions)]
    if strays := [label for label in ids if not 0 <= label < len(names)]:
        raise ParleyError(
            f"{parts['train']} holds images of label {', '.join(map(str, strays))}, which {descriptions} does not "
            "describe; describe these classes or leave their images out."
        )
    require_memory_for_classifier(len(seen["train"].targets), len(ids))
    chosen = choose(seen["train"], seen["dev"], len(ids))
    scores = {part: chosen.classifier.scores(images.features) for part, images in seen.items()}
    overall = {part: _overall(scores[part], seen[part].targets) for part in seen}
    rows = [row for part in seen for row in _by_class(part, scores[part], seen[part].targets, ids, names)]
    for part, found in overall.items():
        logger.info("%s: accuracy %.3g (chance %.3g)", part, found["accuracy"], found["chance"])
    write_csv(table, COLUMNS, rows)
    about = {"layer": layer, "channels": seen["train"].features.shape[1], "classes": len(ids)}
    write_json(out, {**about, "penalty": chosen.penalty, "candidates": chosen.candidates, "parts": overall})


def _seen(parts: Mapping[str, str], layer: str) -> tuple[list[int], dict[str, Split]]:
    """Return the label ids of the classes, and the splits."""
    read = {part: read_features(path, layer) for part, path in parts.items()}
    features = {part: torch.from_numpy(rows.features).double() for part, rows in read.items()}
    for part, path in parts.items():
        if features[part].dim() != 2:
            raise ParleyError(f"{path}: {layer} is a feature map, and the classifier looks at vectors; name a vector.")
        if not len(features[part]):
            raise ParleyError(f"{path} holds no image; check the counts of `split` in the config.")
    targets = {part: torch.from_numpy(rows.targets) for part, rows in read.items()}
    ids: list[int] = targets["train"].unique().tolist()
    scale: Scale = scale_of(features["train"])
    return ids, {
        part: Split(scale.apply(features[part]), target_index_of(targets[part], ids, f"The {part} part"))
        for part in parts
    }


def choose(train: Split, dev: Split, classes: int, penalties: Sequence[float] = PENALTIES) -> Choice:
    """Try the penalties, and fit to convergence with the one of the lowest dev NLL; of equals, the stronger.

    Parameters
    ----------
    train, dev
        The splits.
    classes
        Number of classes.
    penalties
        From the strongest to the weakest.
    """
    tried: list[tuple[LinearClassifier, dict[str, float]]] = []
    start: LinearClassifier | None = None
    for penalty in penalties:
        loosely = max(GRADIENT, min(LOOSE, LOOSE_PART * penalty))
        start, record = _fitted(train, dev, classes, penalty, start, loosely)
        tried.append((start, record))
        latest = [record["dev_nll"] for _, record in tried[-RISES - 1 :]]
        if len(latest) > RISES and all(earlier < later for earlier, later in pairwise(latest)):
            break
    best_index = min(range(len(tried)), key=lambda index: tried[index][1]["dev_nll"])
    start, record = tried[best_index]
    tried[best_index] = best, record = _fitted(train, dev, classes, record["penalty"], start, GRADIENT)
    return Choice(best, record["penalty"], [record for _, record in tried])


def _fitted(
    train: Split, dev: Split, classes: int, penalty: float, start: LinearClassifier | None, tolerance: float
) -> tuple[LinearClassifier, dict[str, float]]:
    """Return the classifier of a penalty, and its entry of `Choice.candidates`."""
    found, gradient = fit(train.features, train.targets, classes, penalty, start, tolerance)
    if gradient > tolerance:
        logger.warning("With the penalty %g the fit ended early: its gradient is still %.1g.", penalty, gradient)
    nll = float(nll_nats(found.scores(dev.features).numpy(), dev.targets.numpy()).mean())
    return found, {"penalty": penalty, "dev_nll": nll, "largest_gradient": gradient}


def _overall(scores: Tensor, class_indices: Tensor) -> dict[str, Any]:
    values, targets, classes = scores.numpy(), class_indices.numpy(), scores.shape[1]
    return {
        "n": len(targets),
        "accuracy": accuracy(values, targets),
        "chance": chance(1, classes),
        "macro_f1": macro_f1(confusion_matrix(values, targets)),
        "nll": float(nll_nats(values, targets).mean()),
    }


def _by_class(
    part: str, scores: Tensor, targets: Tensor, ids: Sequence[int], names: Sequence[str]
) -> list[dict[str, Any]]:
    found = class_scores(confusion_matrix(scores.numpy(), targets.numpy()))
    counts = torch.bincount(targets, minlength=len(ids))
    rows = []
    for index, label in enumerate(ids):
        measures = {name: float(values[index]) for name, values in found.items()}
        finite_scores = {name: None if isnan(value) else value for name, value in measures.items()}
        rows.append({"class": names[label], "label_id": label, "part": part, "n": int(counts[index]), **finite_scores})
    return rows
