"""Combine the results of all seeds of a run on one split, for the figures.

Shapes: S seeds, N images, T exchanges, K candidate classes, C different numbers of flipped bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.core.files import read_json
from parley.metrics.records import owner_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Projection:
    """The Sender's messages of one seed, projected on their first two principal components."""

    seed: int
    coordinates: Floats
    """``[N, 2]``: coordinates of the message about each image."""
    targets: NDArray[np.int64]
    """``[N]``: index of each image's true class among the candidates."""
    explained: Floats
    """``[2]``: fraction of the variance along each component."""
    distinct: int
    """Number of distinct messages."""


@dataclass(frozen=True, slots=True)
class PooledPart:
    """Results of all seeds of one run on one split. Values that were not measured are NaN."""

    seeds: list[int]
    """Seeds whose results are finite numbers."""
    labels: list[str]
    """``[K]``: names of the candidate classes."""
    max_exchanges: int
    message_bits: int
    confusion: Floats | None
    """``[K, K]``: number of dialogues of all seeds by true class (row) and predicted class (column); None if there are
    too many classes for a matrix."""
    class_accuracy: Floats
    """``[S, K]``: accuracy@1 by seed and class."""
    class_length: Floats
    """``[S, K]``: mean length of dialogues, in exchanges, by seed and class."""
    talking: Floats
    """``[S, T]``: fraction of the dialogues that are active when an exchange begins, by seed and exchange."""
    by_exchange: dict[str, Floats]
    """For each metric, means by seed and exchange, ``[S, T]``."""
    projection: Projection
    """Messages of the seed with the median accuracy@1; for an even number of seeds, the lower of the middle two."""


def pool(analyses: Sequence[dict[str, Any]], run: str, part: str = "test") -> PooledPart | None:
    """Combine the analyses of all seeds of a run on one split.

    Parameters
    ----------
    analyses
        Contents of analysis.json files; analyses of other runs are ignored.
    run, part
        Name of the run, and name of the split.

    Returns
    -------
    PooledPart | None
        None if no seed of the run has finite results on this split.

    Raises
    ------
    ParleyError
        If the seeds differ in their candidates, in k or in the maximum number of exchanges.
    """
    own = [(one["seed"], one["parts"][part]) for one in analyses if one["run"] == run and part in one["parts"]]
    whole = sorted(((seed, found) for seed, found in own if found["failed"] is None), key=lambda pair: pair[0])
    if not whole:
        return None
    parts = [found for _, found in whole]
    first = parts[0]
    if any(found[name] != first[name] for found in parts for name in ("labels", "max_exchanges", "k")):
        raise ParleyError(
            f"The seeds of run {run} differ in the candidates, k or exchanges on the split {part}; remove "
            "their messages.hdf5 and run again."
        )
    quantities = [name for name in first["by_exchange"] if name != "talking"]
    return PooledPart(
        seeds=[seed for seed, _ in whole],
        labels=first["labels"],
        max_exchanges=first["max_exchanges"],
        message_bits=first["message_bits"],
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
    """Average over the seeds, ignoring NaN: ``[S, ...]`` → ``[...]``; NaN where no seed has a value."""
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


@dataclass(frozen=True, slots=True)
class Flips:
    """Accuracy of one run when bits of the Sender's messages are flipped."""

    run: str
    seeds: list[int]
    counts: list[int]
    """``[C]``: the tested numbers of flipped bits per message of the Sender, ascending from 0."""
    accuracy: NDArray[np.float64]
    """``[S, C]``: accuracy@1 by seed and number of flipped bits."""


def read_flips(paths: Sequence[str | Path], run: str, part: str = "test") -> Flips | None:
    """Read the accuracy with flipped bits for all seeds of a run whose accuracies are finite numbers.

    Parameters
    ----------
    paths
        Files flips.json or interventions.json of any runs. The path of a file determines its run and seed.
    run, part
        Name of the run, and name of the split.

    Returns
    -------
    Flips | None
        None if no seed has an accuracy, because messages are continuous or all seeds diverged.

    Raises
    ------
    ParleyError
        If a file has an unexpected structure, or the seeds differ in the numbers of flipped bits.
    """
    found: dict[int, dict[int, float]] = {}
    for owner, path in sorted((owner_of(path), path) for path in paths):
        if owner[0] != run:
            continue
        curve = _curve(read_json(path), part, path)
        if curve and all(value is not None for value in curve.values()):
            found[owner[1]] = {count: float(value) for count, value in curve.items() if value is not None}
    counts = {tuple(sorted(curve)) for curve in found.values()}
    if len(counts) > 1:
        raise ParleyError(
            f"The seeds of run {run} differ in the numbers of flipped bits; remove their flips.json and "
            "interventions.json, and run again."
        )
    if not counts:
        return None
    order = list(counts.pop())
    return Flips(run, list(found), order, np.array([[curve[count] for count in order] for curve in found.values()]))


def _curve(content: Any, part: str, path: str | Path) -> dict[int, float | None]:
    try:
        rows: list[Mapping[str, Any]] = content["parts"].get(part, {"rows": []})["rows"]
        flipped = [row for row in rows if row["intervention"] == "flipped_bits"]
        return {int(row["value"]): row["measures"]["accuracy@1"] for row in flipped}
    except (KeyError, TypeError, AttributeError) as error:
        raise ParleyError(f"{path} is not a file of interventions ({error!r}); evaluate that run again.") from error
