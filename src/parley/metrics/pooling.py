"""Results of the seeds of one run on one split, joined for the figures.

Shapes: S seeds, T exchanges, K candidate classes, C counts of flipped bits.
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


@dataclass(frozen=True, slots=True)
class Flips:
    """Accuracy under flipped bits of one run.

    Attributes
    ----------
    run
        Its name.
    seeds
        The seeds [S].
    counts
        Number of flipped bits in each of the Sender's messages [C], ascending from 0.
    accuracy
        Accuracy@1 on the test part [S, C].
    """

    run: str
    seeds: list[int]
    counts: list[int]
    accuracy: NDArray[np.float64]


def read_flips(paths: Sequence[str | Path], run: str, part: str = "test") -> Flips | None:
    """Bring together the seeds of a run that have finite numbers.

    Parameters
    ----------
    paths
        flips.json or interventions.json of any runs; the folder of a file gives its run and seed.
    run, part
        What to bring together.

    Returns
    -------
    Flips | None
        None if no seed has a number: messages are continuous, or all seeds diverged.

    Raises
    ------
    ParleyError
        When a file is not of that form, or seeds differ in how many bits were flipped.
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
        raise ParleyError(f"The seeds of run {run} differ in how many bits were flipped; evaluate them again.")
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
        raise ParleyError(f"{path} does not hold what messages cause ({error!r}); evaluate that run again.") from error
