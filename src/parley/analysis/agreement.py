"""Measure how much the seeds of a run agree, and write a table with the means over all pairs of seeds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.analysis.summary import in_order
from parley.core.errors import ParleyError
from parley.core.tables import write_csv
from parley.metrics.agreement import (
    Floats,
    cohen_kappa,
    correlation_null,
    draw_orders,
    geometry_correlation,
    geometry_null,
    jackknife_interval,
    message_geometry,
    pearson,
    same_fraction,
    sameness_nulls,
)
from parley.metrics.conversations import Conversations, read_conversations
from parley.metrics.permutation import against_null
from parley.metrics.records import owner_of

MOST_IMAGES = 500
"""Maximum number of images for `message_similarity`, which compares all pairs of images. Larger splits are sampled."""
PERMUTATIONS = 200
"""Number of permutations of each null distribution. The smallest possible p-value is 1 / 201."""
UNITS = {
    "same_answer": "fraction",
    "answer_kappa": "Cohen's kappa",
    "right_kappa": "Cohen's kappa",
    "length_correlation": "Pearson's r",
    "message_similarity": "Spearman's rho",
}
"""Unit of each metric that compares two seeds."""
COLUMNS = (
    "run", "part", "metric", "unit", "mean", "sd", "lowest", "highest", "low", "high", "n_seeds", "n_pairs",
    "null_mean", "null_high", "p",
)  # fmt: skip
"""Columns of `agreement.csv`. Cells of unknown values are empty."""


class Seed(NamedTuple):
    """Results of one seed on the N images of a split, to be compared with those of other seeds."""

    answers: NDArray[np.int64]
    """Predicted class of each image, as an index into the candidate classes; the lowest if tied. Shape ``[N]``."""
    right: NDArray[np.bool_]
    """True where the predicted class is the true class. Shape ``[N]``."""
    lengths: NDArray[np.int64]
    """Number of exchanges of each dialogue. Shape ``[N]``."""
    geometry: Floats | None
    """Distances between last messages for all pairs of sampled images, as normalised ranks; None if all are equal."""


def write_agreements(paths: Sequence[str | Path], runs: Sequence[str], out: str | Path, seed: int = 0) -> None:
    """Compare all pairs of seeds of each run on every split, and write `agreement.csv`.

    Parameters
    ----------
    paths
        Paths of the message files of all runs and seeds. The names of their folders are the run and the seed.
    runs
        Names of the runs, in the order in which the table lists them.
    out
        Path of `agreement.csv`.
    seed
        Random seed for sampling images and for the permutations.
    """
    rows: list[dict[str, Any]] = []
    for run in runs:
        own = [path for path in paths if owner_of(path)[0] == run]
        names = dict.fromkeys(Path(path).name for path in own)
        found: dict[str, list[dict[str, Any]]] = {}
        for name in names:
            of_part = agreements(run, (read_conversations(path) for path in own if Path(path).name == name), seed)
            found[of_part[0]["part"]] = of_part
        rows += [row for part in in_order(found) for row in found[part]]
    write_csv(out, COLUMNS, rows)


def agreements(run: str, conversations: Iterable[Conversations], seed: int = 0) -> list[dict[str, Any]]:
    """Compare the seeds of a run on one split.

    Parameters
    ----------
    run
        Name of the run.
    conversations
        Dialogues of each seed on the split. All seeds must have the same images. Only the dialogues of one seed are in
        memory at a time. Seeds with non-finite numbers have diverged and are skipped.
    seed
        Random seed for sampling images and for the permutations.

    Returns
    -------
    list[dict[str, Any]]
        One row per metric, with the columns `COLUMNS`.
    """
    about: dict[int, tuple[Any, ...]] = {}
    seeds: list[Seed] = []
    part, images = "", 0
    for dialogues in conversations:
        about[dialogues.seed] = (dialogues.keys, dialogues.candidate_ids)
        part, images = dialogues.part, len(dialogues.keys)
        first = next(iter(about))
        if about[dialogues.seed] != about[first]:
            raise ParleyError(
                f"Seeds {first} and {dialogues.seed} of run {run} have different images or candidates on "
                f"{part} and cannot be compared; run `snakemake --cores 1 --forcerun extract_messages`."
            )
        if dialogues.finite:
            seeds.append(_seed(dialogues, _sample(images, seed)))
        del dialogues  # Free the memory before the next file is read.
    pairs = {(one, other): _compared(seeds[one], seeds[other]) for one, other in combinations(range(len(seeds)), 2)}
    nulls = _nulls(seeds, images, np.random.default_rng(seed)) if pairs else {}
    return list(_rows(run, part, pairs, len(seeds), nulls))


def _sample(count: int, seed: int) -> NDArray[np.int64]:
    """Return the indices of the images whose messages are compared. They are the same for all seeds."""
    if count <= MOST_IMAGES:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, MOST_IMAGES, replace=False))


def _seed(dialogues: Conversations, sampled: NDArray[np.int64]) -> Seed:
    answers = dialogues.final_scores.argmax(-1)
    geometry = message_geometry(dialogues.final_messages[sampled])
    return Seed(answers, answers == dialogues.targets, dialogues.lengths, geometry)


def _compared(one: Seed, other: Seed) -> dict[str, float | None]:
    return {
        "same_answer": same_fraction(one.answers, other.answers),
        "answer_kappa": cohen_kappa(one.answers, other.answers),
        "right_kappa": cohen_kappa(one.right, other.right),
        "length_correlation": pearson(one.lengths, other.lengths),
        "message_similarity": geometry_correlation(one.geometry, other.geometry),
    }


def _nulls(seeds: Sequence[Seed], images: int, generator: np.random.Generator) -> dict[str, Floats | None]:
    """Return the mean of each metric over pairs of seeds, for each of P permutations of the images. Shape ``[P]``."""
    orders = draw_orders(len(seeds), images, PERMUTATIONS, generator)
    sampled = draw_orders(len(seeds), min(images, MOST_IMAGES), PERMUTATIONS, generator)
    same, answer_kappa = sameness_nulls([one.answers for one in seeds], orders)
    _, right_kappa = sameness_nulls([one.right for one in seeds], orders)
    return {
        "same_answer": same,
        "answer_kappa": answer_kappa,
        "right_kappa": right_kappa,
        "length_correlation": correlation_null([one.lengths for one in seeds], orders),
        "message_similarity": geometry_null([one.geometry for one in seeds], sampled),
    }


def _rows(
    run: str,
    part: str,
    pairs: dict[tuple[int, int], dict[str, float | None]],
    seeds: int,
    nulls: Mapping[str, Floats | None],
) -> Iterator[dict[str, Any]]:
    for metric, unit in UNITS.items():
        found = {pair: measures[metric] for pair, measures in pairs.items()}
        known = {pair: value for pair, value in found.items() if value is not None}
        values = list(known.values())
        low, high = jackknife_interval(known, seeds) or (None, None)
        yield {
            "run": run,
            "part": part,
            "metric": metric,
            "unit": unit,
            "mean": float(np.mean(values)) if values else None,
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "lowest": min(values, default=None),
            "highest": max(values, default=None),
            "low": low,
            "high": high,
            "n_seeds": seeds,
            "n_pairs": len(values),
            **_tested(values, nulls.get(metric)),
        }


def _tested(values: Sequence[float], null: Floats | None) -> dict[str, float | None]:
    if not values or null is None:
        return dict.fromkeys(("null_mean", "null_high", "p"))
    p = against_null(float(np.mean(values)), null).p
    return {"null_mean": float(null.mean()), "null_high": float(np.quantile(null, 0.95)), "p": p}
