"""Measure how difficult each class is for a linear classifier on the image features.

The agents' accuracy can be compared with that of the classifier, which uses the features directly, without messages.
Its errors are therefore not caused by the language. It predicts only classes of the train split.
"""

import logging
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from parley.config.memory_budget import require_memory_for_classifier
from parley.core.errors import ParleyError
from parley.core.files import write_json
from parley.core.tables import write_csv
from parley.features.storage import read_features, vector_layer
from parley.metrics.classification import accuracy, class_scores, confusion_matrix, macro_f1
from parley.metrics.exchanges import chance, nll_nats
from parley.text.descriptions import read_descriptions

logger = logging.getLogger(__name__)
PENALTIES = (1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001)
"""L2 penalties to select from on the dev split, strongest first. Each fit starts from the previous fit's result."""
GRADIENT = 1e-6
"""Convergence threshold in nats: a fit has converged if no entry of the gradient is larger in absolute value."""
ITERATIONS = 100
"""Maximum number of Newton steps of a fit."""
RISES = 2
"""Number of consecutive increases of the dev NLL after which no weaker penalty is tried."""
COLUMNS = ("class", "label_id", "part", "n", "precision", "recall", "f1")
"""Columns of `difficulty.csv`. Cells of unknown values are empty."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Split(NamedTuple):
    """Features and classes of the N images of one split."""

    features: Floats
    """Features ``[N, C]``, standardised with the mean and standard deviation of the train split."""
    targets: Ints
    """Class of each image, as an index. Shape ``[N]``."""


class Classifier(NamedTuple):
    """Weights ``[K, C]`` and biases ``[K]`` of a multinomial logistic regression."""

    weight: Floats
    bias: Floats

    def scores(self, features: Floats) -> Floats:
        """Return the class scores ``[N, K]`` of features ``[N, C]``. Their softmax gives the class probabilities."""
        return features @ self.weight.T + self.bias


class Choice(NamedTuple):
    """The classifier with the lowest dev NLL, its penalty, and the results of all penalties that were tried."""

    classifier: Classifier
    penalty: float
    candidates: list[dict[str, float]]
    """For each penalty that was tried: the penalty, the dev NLL and the largest entry of the gradient, in nats."""


def write_difficulty(
    parts: Mapping[str, str], descriptions: str | Path, layers: Sequence[str], table: str | Path, out: str | Path
) -> None:
    """Train the classifier on the train split, select its penalty on the dev split, and evaluate it on all splits.

    Parameters
    ----------
    parts
        Paths of the feature files of the splits ``train``, ``dev`` and ``test``.
    descriptions
        Path of ``descriptions.csv``, which contains the names of the classes.
    layers
        Layers, such as ``pooled``, or names of datasets. The first that the train split has as vectors is read.
    table, out
        Paths of ``difficulty.csv`` and ``difficulty.json``, which are written.
    """
    layer = vector_layer(parts["train"], layers)
    ids, seen = _seen(parts, layer)
    names = {row.label_id: row.label for row in read_descriptions(descriptions)}
    if strays := [label for label in ids if label not in names]:
        raise ParleyError(
            f"{parts['train']} contains images of label {', '.join(map(str, strays))}, which {descriptions} does not "
            "describe; add descriptions of these classes or remove their images."
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
    """Return the label ids of the classes in the train split, and the features and classes of each split."""
    read = {part: read_features(path, layer) for part, path in parts.items()}
    features = {part: rows.features.astype(np.float64) for part, rows in read.items()}
    for part, path in parts.items():
        if features[part].ndim != 2:
            raise ParleyError(
                f"{path}: {layer} is a feature map, but the classifier requires feature vectors; choose a layer that "
                "outputs a vector."
            )
        if not len(features[part]):
            raise ParleyError(f"{path} contains no image; check the counts in the section `split` of the config.")
    ids = np.unique(read["train"].targets)
    for part, path in parts.items():
        if strays := np.setdiff1d(read[part].targets, ids).tolist():
            raise ParleyError(
                f"{path} contains images of label {', '.join(map(str, strays))}, which {parts['train']} lacks, so the "
                "linear classifier cannot be used on it. Use splits of the train split's classes, or leave out the "
                "target difficulty and the claim length_with_difficulty."
            )
    mean, sd = features["train"].mean(0), features["train"].std(0)
    # Constant channels are divided by 1, because dividing by their standard deviation of 0 would not be finite.
    scaled = {part: (values - mean) / np.where(sd > 0, sd, 1.0) for part, values in features.items()}
    indices = {part: np.searchsorted(ids, rows.targets) for part, rows in read.items()}
    return ids.tolist(), {part: Split(scaled[part], indices[part]) for part in parts}


def choose(train: Split, dev: Split, classes: int, penalties: Sequence[float] = PENALTIES) -> Choice:
    """Fit the classifier with each penalty, and select the fit with the lowest dev NLL; if tied, the strongest penalty.

    Parameters
    ----------
    train, dev
        Features and classes of the train split and the dev split.
    classes
        Number of classes K.
    penalties
        Penalties, from the strongest to the weakest.
    """
    model = LogisticRegression(solver="newton-cg", tol=GRADIENT, max_iter=ITERATIONS, warm_start=True)
    tried: list[Classifier] = []
    records: list[dict[str, float]] = []
    for penalty in penalties:
        tried.append(fit(train, classes, penalty, model))
        nll = float(nll_nats(tried[-1].scores(dev.features), dev.targets).mean())
        gradient = largest_gradient(tried[-1], train, penalty)
        records.append({"penalty": penalty, "dev_nll": nll, "largest_gradient": gradient})
        latest = [record["dev_nll"] for record in records[-RISES - 1 :]]
        if len(latest) > RISES and all(earlier < later for earlier, later in pairwise(latest)):
            break
    if early := [record for record in records if not record["largest_gradient"] <= GRADIENT]:
        logger.warning(
            "%d of %d fits of the linear classifier did not converge (largest gradient over %g nats). Their "
            "penalties: %s.",
            len(early),
            len(records),
            GRADIENT,
            ", ".join(f"{record['penalty']:g} (gradient {record['largest_gradient']:.1g})" for record in early),
        )
    best = min(range(len(records)), key=lambda index: records[index]["dev_nll"])
    return Choice(tried[best], records[best]["penalty"], records)


def fit(train: Split, classes: int, penalty: float, model: LogisticRegression) -> Classifier:
    """Minimise the mean NLL in nats plus ``penalty`` / 2 times the sum of squared weights; biases are not penalised.

    This objective of le Cessie and van Houwelingen (1992), "Ridge estimators in logistic regression", has one minimum.
    Because features are correlated, Newton's method gets closer to the minimum than L-BFGS, in a third of the time.

    Parameters
    ----------
    train
        Features and classes of the train split, with at least one image of each class.
    classes
        Number of classes K.
    penalty
        Weight of the penalty, above 0.
    model
        Scikit-learn model to fit. If it has ``warm_start``, the fit starts from the previous result.
    """
    if classes == 1:
        return Classifier(np.zeros((1, train.features.shape[1])), np.zeros(1))
    # For two classes, scikit-learn fits only the difference d = w1 - w0. With w1 = -w0, ||d||² = 2 (||w0||² + ||w1||²).
    model.set_params(C=(2 if classes == 2 else 1) / (len(train.targets) * penalty))
    with warnings.catch_warnings():
        # The warning is suppressed, because `choose` checks for convergence itself.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train.features, train.targets)
    if classes == 2:
        return Classifier(np.r_[-model.coef_, model.coef_] / 2, np.r_[-model.intercept_, model.intercept_] / 2)
    return Classifier(model.coef_.copy(), model.intercept_.copy())


def largest_gradient(classifier: Classifier, train: Split, penalty: float) -> float:
    """Return the largest absolute entry of the gradient of the objective of `fit`, in nats. It is 0 at the minimum."""
    residuals = softmax(classifier.scores(train.features), axis=1)
    residuals[np.arange(len(residuals)), train.targets] -= 1
    by_weight = residuals.T @ train.features / len(residuals) + penalty * classifier.weight
    return float(max(np.abs(by_weight).max(), np.abs(residuals.mean(axis=0)).max()))


def _overall(scores: Floats, targets: Ints) -> dict[str, Any]:
    return {
        "n": len(targets),
        "accuracy": accuracy(scores, targets),
        "chance": chance(1, scores.shape[1]),
        "macro_f1": macro_f1(confusion_matrix(scores, targets)),
        "nll": float(nll_nats(scores, targets).mean()),
    }


def _by_class(
    part: str, scores: Floats, targets: Ints, ids: Sequence[int], names: Mapping[int, str]
) -> list[dict[str, Any]]:
    found = class_scores(confusion_matrix(scores, targets))
    counts = np.bincount(targets, minlength=len(ids))
    rows = []
    for index, label in enumerate(ids):
        measures = {name: float(values[index]) for name, values in found.items()}
        finite_scores = {name: None if isnan(value) else value for name, value in measures.items()}
        rows.append({"class": names[label], "label_id": label, "part": part, "n": int(counts[index]), **finite_scores})
    return rows
