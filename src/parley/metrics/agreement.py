"""Agreement of two seeds of a run: same answers, same correctness, correlated lengths and message distances.

The null is the agreement of seeds whose images are permuted independently. Each permutation reorders the images of
every seed but the first. The mean of a metric over pairs of seeds is then that of unrelated seeds with the same
frequencies of answers, lengths and messages.

Shapes: N images, d bits per message, n seeds, P permutations.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from parley.metrics.statistics import t_interval
from parley.metrics.topographic import centred_ranks, message_distances

Floats = NDArray[np.float64]


def same_fraction(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the fraction of images that get the same answer [N]."""
    return float((first == second).mean())


def cohen_kappa(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return the agreement beyond chance: 1 = always the same answer, 0 = as often as independent answers.

    Cohen (1960, "A coefficient of agreement for nominal scales"): (p - e) / (1 - e), where p is the fraction of images
    with the same answer, and e its expectation if the two answered independently with their own answer frequencies.

    Parameters
    ----------
    first, second
        One answer per image [N].

    Returns
    -------
    float or None
        At most 1. None if both give the same single answer to every image, because they agree by chance.
    """
    by_chance = same_by_chance(first, second)
    return None if by_chance is None else float(kappa_of(same_fraction(first, second), by_chance))


def same_by_chance(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return the expected fraction of equal answers if both answer independently with these frequencies [N each].

    None if both give the same single answer to every image.
    """
    answers = np.unique(np.concatenate([first, second]))
    if len(answers) == 1:  # The product of the shares may differ from 1 by rounding.
        return None
    shares = [(each[:, None] == answers).mean(0) for each in (first, second)]
    return float(shares[0] @ shares[1])


def kappa_of(same: float | Floats, by_chance: float) -> float | Floats:
    """Return Cohen's kappa from the fraction of equal answers and its expectation by chance."""
    return (same - by_chance) / (1 - by_chance)


def pearson(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return Pearson's correlation of one number per image [N]; None if one of the two does not vary."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.clip(np.corrcoef(first, second)[0, 1], -1, 1))


def message_geometry(messages: NDArray[Any]) -> Floats | None:
    """Return normalised ranks of all pairwise message distances; two geometries correlate by a dot product.

    Representational similarity (Kriegeskorte, Mur and Bandettini, 2008, "Representational similarity analysis -
    connecting the branches of systems neuroscience"): seeds give bits different meanings, so their messages cannot be
    compared directly, but their distances can. The distances are Hamming's.

    Parameters
    ----------
    messages
        One per image, of the same images in the same order for both seeds [N, d].

    Returns
    -------
    NDArray or None
        Centred and of length 1 [N (N - 1) / 2]; None if all distances are equal.
    """
    return centred_ranks(message_distances(messages))


def geometry_correlation(first: Floats | None, second: Floats | None) -> float | None:
    """Return Spearman's correlation of two geometries; None if one of them does not vary."""
    return None if first is None or second is None else float(np.clip(first @ second, -1, 1))


def jackknife_interval(values: Mapping[tuple[int, int], float], seeds: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean over all pairs of seeds, by leaving out one seed at a time.

    Pairs that share a seed are not independent, seeds are. Tukey (1958, "Bias and confidence in not-quite large
    samples"): the pseudo-value of a seed is n times the mean minus n - 1 times the mean without it, and the
    pseudo-values are treated as a sample, with Student's t of n - 1 degrees of freedom.

    Parameters
    ----------
    values
        One value per pair of seeds, by their indices from 0.
    seeds
        Number of seeds n.

    Returns
    -------
    tuple[float, float] or None
        Lower and upper end. None with fewer than three seeds, or if a pair is missing.
    """
    if seeds < 3 or values.keys() != set(combinations(range(seeds), 2)):
        return None
    mean = float(np.mean(list(values.values())))
    without = [np.mean([value for pair, value in values.items() if seed not in pair]) for seed in range(seeds)]
    over = t_interval([float(seeds * mean - (seeds - 1) * left) for left in without])
    return None if over.low is None or over.high is None else (over.low, over.high)


Orders = Sequence[NDArray[np.int64]]
"""One permutation of the images ``[N]`` per seed."""


def draw_orders(seeds: int, images: int, permutations: int, generator: np.random.Generator) -> list[Orders]:
    """Draw P orders of the images for each seed; the first seed keeps its own, because only relative order matters."""
    own = np.arange(images)
    return [[own, *(generator.permutation(images) for _ in range(seeds - 1))] for _ in range(permutations)]


def sameness_nulls(answers: Sequence[NDArray[Any]], orders: Sequence[Orders]) -> tuple[Floats, Floats | None]:
    """Return the mean over pairs of the fraction of equal answers and of Cohen's kappa, under each permutation.

    Parameters
    ----------
    answers
        One answer per image, for each seed [N].
    orders
        From `draw_orders`.

    Returns
    -------
    tuple of arrays
        ``[P]`` each; kappa over the pairs that have one, None if no pair has.
    """
    pairs = list(combinations(range(len(answers)), 2))
    chance = [same_by_chance(answers[one], answers[other]) for one, other in pairs]

    def fractions(order: Orders) -> list[float]:
        moved = [own[indices] for own, indices in zip(answers, order, strict=True)]
        return [float((moved[one] == moved[other]).mean()) for one, other in pairs]

    same = np.array([fractions(order) for order in orders])
    # Permutations keep the frequency of each answer, and so the agreement by chance.
    kappas = [kappa_of(same[:, pair], by_chance) for pair, by_chance in enumerate(chance) if by_chance is not None]
    return np.asarray(same.mean(1)), np.asarray(sum(kappas) / len(kappas)) if kappas else None


def correlation_null(numbers: Sequence[NDArray[Any]], orders: Sequence[Orders]) -> Floats | None:
    """Return the mean over pairs of Pearson's correlation, under each permutation [P].

    Parameters
    ----------
    numbers
        One per image, for each seed [N]; a seed whose numbers do not vary is left out.
    orders
        From `draw_orders`.
    """
    units = [None if np.ptp(own) == 0 else _unit(own) for own in numbers]
    return _mean_products(units, orders, lambda unit, order: unit[order])


def geometry_null(geometries: Sequence[Floats | None], orders: Sequence[Orders]) -> Floats | None:
    """Return the mean over pairs of the correlation of geometries, under each permutation [P].

    Parameters
    ----------
    geometries
        From `message_geometry`, of each seed; a seed without one is left out.
    orders
        From `draw_orders`, for the images of the geometries.
    """
    # A square holds each pair of images twice; dividing by sqrt(2) makes its length 1 again.
    squares = [
        None if own is None else squareform(own.astype(np.float32)) / np.float32(np.sqrt(2)) for own in geometries
    ]
    return _mean_products(squares, orders, _moved_square)


def _moved_square(square: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.float32]:
    # Indices are within bounds; "wrap" skips the check.
    return square.take(order, 0, mode="wrap").take(order, 1, mode="wrap")


def _unit(numbers: NDArray[Any]) -> Floats:
    centred = numbers - numbers.mean()
    return np.asarray(centred / np.linalg.norm(centred))


def _mean_products(
    vectors: Sequence[NDArray[Any] | None],
    orders: Sequence[Orders],
    moved: Callable[[NDArray[Any], NDArray[np.int64]], NDArray[Any]],
) -> Floats | None:
    """Return the mean dot product over pairs of k unit vectors: the square of the sum is k plus twice all products."""
    known = [(seed, vector) for seed, vector in enumerate(vectors) if vector is not None]
    count = len(known)
    if count < 2:
        return None
    squares = []
    for order in orders:
        total = np.zeros_like(known[0][1])
        for seed, vector in known:
            total += moved(vector, order[seed])
        squares.append(float(np.vdot(total, total)))
    return (np.array(squares) - count) / (count * (count - 1))
