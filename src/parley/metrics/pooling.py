"""The analyses of the seeds of one run on one split, joined for the figures.

Shapes: S seeds, T exchanges, K candidate classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Projection:
    """One seed's Sender messages on their first two principal components.

    Attributes
    ----------
    seed
        Whose they are.
    coordinates
        One point an image [N, 2].
    targets
        Column of each image's true class [N].
    explained
        Fraction of the variance along each component [2].
    distinct
        Number of different messages.
    """

    seed: int
    coordinates: Floats
    targets: NDArray[np.int64]
    explained: Floats
    distinct: int


@dataclass(frozen=True, slots=True)
class PooledPart:
    """The results of all seeds of one run on one split; NaN for what was not measured.

    Attributes
    ----------
    run, part
        The run and split.
    seeds, failed
        Analysed seeds, and seeds whose numbers are not finite.
    labels
        Names of the candidates [K].
    k, max_exchanges, message_bits
        Of the run.
    counts
        Images of each class, of one seed [K].
    confusion
        Dialogues by true (row) and predicted class (column), summed over seeds [K, K]; None where the classes are
        too many for a matrix.
    class_accuracy, class_length
        Accuracy@1 and mean length in exchanges by seed and class [S, K].
    talking
        Fraction of the dialogues still on when an exchange begins, by seed [S, T].
    by_exchange
        Metric → means by seed and exchange [S, T].
    projection
        Messages of the seed whose accuracy@1 is the median (the lower one of two).
    """

    run: str
    part: str
    seeds: list[int]
    failed: list[int]
    labels: list[str]
    k: int
    max_exchanges: int
    message_bits: int
    counts: NDArray[np.int64]
    confusion: Floats | None
    class_accuracy: Floats
    class_length: Floats
    talking: Floats
    by_exchange: dict[str, Floats]
    projection: Projection


def pool(analyses: Sequence[dict[str, Any]], run: str, part: str = "test") -> PooledPart | None:
    """Join the analyses of the seeds of a run on one split.

    Parameters
    ----------
    analyses
        Contents of analysis.json files; those of other runs are ignored.
    run, part
        The run and split.

    Returns
    -------
    PooledPart | None
        None if no seed of the run has finite numbers on that split.

    Raises
    ------
    ParleyError
        When the seeds differ in candidates or exchanges.
    """
    own = sorted(
        ((a["seed"], a["parts"][part]) for a in analyses if a["run"] == run and part in a["parts"]),
        key=lambda pair: pair[0],
    )
    whole = [(seed, found) for seed, found in own if found["failed"] is None]
    if not whole:
        return None
    parts = [found for _, found in whole]
    first = parts[0]
    if any(found[name] != first[name] for found in parts for name in ("labels", "max_exchanges", "k")):
        raise ParleyError(
            f"The seeds of run {run} differ in the candidates, k or exchanges of {part}; make their messages again."
        )
    quantities = [name for name in first["by_exchange"] if name != "talking"]
    return PooledPart(
        run=run,
        part=part,
        seeds=[seed for seed, _ in whole],
        failed=[seed for seed, found in own if found["failed"] is not None],
        labels=first["labels"],
        k=first["k"],
        max_exchanges=first["max_exchanges"],
        message_bits=first["message_bits"],
        counts=np.array([entry["n"] for entry in first["classes"]]),
        confusion=None if first["confusion"] is None else np.sum([found["confusion"] for found in parts], axis=0),
        class_accuracy=_by_class(parts, "accuracy@1"),
        class_length=_by_class(parts, "length"),
        talking=np.array([found["by_exchange"]["talking"] for found in parts]),
        by_exchange={name: _by_exchange(parts, name, first["max_exchanges"]) for name in quantities},
        projection=_median_projection(whole),
    )


def _by_class(parts: list[dict[str, Any]], name: str) -> Floats:
    return np.array([[entry[name] for entry in found["classes"]] for found in parts], dtype=np.float64)


def _by_exchange(parts: list[dict[str, Any]], name: str, steps: int) -> Floats:
    rows = [found["by_exchange"][name] or [None] * steps for found in parts]
    return np.array(rows, dtype=np.float64)


def _median_projection(whole: list[tuple[int, dict[str, Any]]]) -> Projection:
    ordered = sorted(whole, key=lambda pair: (pair[1]["accuracy@1"], pair[0]))
    seed, found = ordered[(len(ordered) - 1) // 2]
    messages = found["messages"]
    return Projection(
        seed=seed,
        coordinates=np.array(messages["coordinates"], dtype=np.float64),
        targets=np.array(messages["targets"], dtype=np.int64),
        explained=np.array(messages["explained"], dtype=np.float64),
        distinct=messages["distinct"],
    )


def mean_over_seeds(values: Floats) -> Floats:
    """Average over the first dimension [S, ...] of what was measured; NaN where no seed measured it."""
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))
