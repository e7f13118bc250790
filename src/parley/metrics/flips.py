"""Accuracy by number of flipped bits in the Sender's messages, read from evaluations and joined over seeds.

Shapes: S seeds, C counts of bits.
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
