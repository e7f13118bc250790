"""Agreement between seeds of a run: equal answers, equal correctness, and correlated lengths and message distances.

The null distribution is computed by permuting the images of every seed except the first. It shows how large the mean
agreement over pairs of seeds would be if the seeds were unrelated but had the same frequencies of answers, lengths and
messages.

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
    """Return the fraction of images for which both seeds give the same answer; the arguments are ``[N]``."""
    return float((first == second).mean())


def cohen_kappa(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return Cohen's kappa, the agreement beyond chance: 1 if all answers agree, 0 if they agree as often as by chance.

    Cohen (1960, "A coefficient of agreement for nominal scales"): (p - e) / (1 - e), where p is the fraction of images
    with the same answer, and e the fraction expected if the two seeds answered independently with the same frequencies.

    Parameters
    ----------
    first, second
        ``[N]``: answers of the two seeds, one per image.

    Returns
    -------
    float or None
        At most 1. None if both seeds give the same single answer to every image: e is then 1 and kappa undefined.
    """
    by_chance = same_by_chance(first, second)
    return None if by_chance is None else float(kappa_of(same_fraction(first, second), by_chance))


def same_by_chance(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return the expected fraction of equal answers if two seeds answered independently, given their answers ``[N]``.

    The frequencies of each seed's answers are kept. None if both seeds give the same single answer to every image.
    """
    answers = np.unique(np.concatenate([first, second]))
    if len(answers) == 1:  # The expected fraction is 1, so kappa would divide by zero.
        return None
    shares = [(each[:, None] == answers).mean(0) for each in (first, second)]
    return float(shares[0] @ shares[1])


def kappa_of(same: float | Floats, by_chance: float) -> float | Floats:
    """Return Cohen's kappa, given the fraction of equal answers and the fraction expected by chance."""
    return (same - by_chance) / (1 - by_chance)


def pearson(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return the Pearson correlation of two arrays with one value per image, ``[N]``; None if either is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.clip(np.corrcoef(first, second)[0, 1], -1, 1))


def message_geometry(messages: NDArray[Any]) -> Floats | None:
    """Return the ranks of all pairwise message distances, normalised so that a dot product is a rank correlation.

    Representational similarity (Kriegeskorte, Mur and Bandettini, 2008, "Representational similarity analysis -
    connecting the branches of systems neuroscience"): each seed gives bits different meanings, so the messages of two
    seeds cannot be compared directly, but the distances between messages can. They are Hamming distances.

    Parameters
    ----------
    messages
        ``[N, d]``: one message per image. All seeds need the same images in the same order.

    Returns
    -------
    NDArray or None
        ``[N (N - 1) / 2]``: ranks, centred and with unit norm; None if all distances are equal.
    """
    return centred_ranks(message_distances(messages))


def geometry_correlation(first: Floats | None, second: Floats | None) -> float | None:
    """Return Spearman's correlation of two results of `message_geometry`; None if either is None."""
    return None if first is None or second is None else float(np.clip(first @ second, -1, 1))


def jackknife_interval(values: Mapping[tuple[int, int], float], seeds: int) -> tuple[float, float] | None:
    """Return the 95 % jackknife interval of a mean over pairs of seeds, by leaving out one seed at a time.

    Pairs that share a seed are not independent, but seeds are. Tukey (1958, "Bias and confidence in not-quite large
    samples"): the pseudo-value of a seed is n times the mean minus n - 1 times the mean without this seed. The
    pseudo-values are treated as a sample, with Student's t distribution of n - 1 degrees of freedom.

    Parameters
    ----------
    values
        One value per pair of seeds. A key contains the indices of both seeds, from 0, in ascending order.
    seeds
        Number of seeds n.

    Returns
    -------
    tuple[float, float] or None
        Lower and upper end of the interval. None with fewer than three seeds, or if the value of a pair is missing.
    """
    if seeds < 3 or values.keys() != set(combinations(range(seeds), 2)):
        return None
    mean = float(np.mean(list(values.values())))
    without = [np.mean([value for pair, value in values.items() if seed not in pair]) for seed in range(seeds)]
    over = t_interval([float(seeds * mean - (seeds - 1) * left) for left in without])
    return None if over.low is None or over.high is None else (over.low, over.high)


Orders = Sequence[NDArray[np.int64]]
"""One permutation of the image indices ``[N]`` per seed."""


def draw_orders(seeds: int, images: int, permutations: int, generator: np.random.Generator) -> list[Orders]:
    """Draw P permutations of the images for each seed except the first, whose images keep their order."""
    own = np.arange(images)
    return [[own, *(generator.permutation(images) for _ in range(seeds - 1))] for _ in range(permutations)]


def sameness_nulls(answers: Sequence[NDArray[Any]], orders: Sequence[Orders]) -> tuple[Floats, Floats | None]:
    """Return the fraction of equal answers and Cohen's kappa, averaged over pairs of seeds, under each permutation.

    Parameters
    ----------
    answers
        ``[N]`` for each seed: its answer for each image.
    orders
        Permutations from `draw_orders`.

    Returns
    -------
    tuple of arrays
        Mean fraction and mean kappa, ``[P]`` each. Undefined kappas are ignored; the second is None
        if all are undefined.
    """
    pairs = list(combinations(range(len(answers)), 2))
    chance = [same_by_chance(answers[one], answers[other]) for one, other in pairs]

    def fractions(order: Orders) -> list[float]:
        moved = [own[indices] for own, indices in zip(answers, order, strict=True)]
        return [float((moved[one] == moved[other]).mean()) for one, other in pairs]

    same = np.array([fractions(order) for order in orders])
    # Permutations do not change the frequencies of the answers, and therefore not the agreement expected by chance.
    kappas = [kappa_of(same[:, pair], by_chance) for pair, by_chance in enumerate(chance) if by_chance is not None]
    return np.asarray(same.mean(1)), np.asarray(sum(kappas) / len(kappas)) if kappas else None


def correlation_null(numbers: Sequence[NDArray[Any]], orders: Sequence[Orders]) -> Floats | None:
    """Return the mean Pearson correlation over pairs of seeds under each permutation, ``[P]``.

    Parameters
    ----------
    numbers
        ``[N]`` for each seed: one value per image. Seeds with constant values are ignored. If fewer than two remain,
        the result is None.
    orders
        Permutations from `draw_orders`.
    """
    units = [None if np.ptp(own) == 0 else unit_vector(own) for own in numbers]
    return _mean_products(units, orders, lambda unit, order: unit[order])


def geometry_null(geometries: Sequence[Floats | None], orders: Sequence[Orders]) -> Floats | None:
    """Return the mean correlation of message distances over pairs of seeds under each permutation, ``[P]``.

    Parameters
    ----------
    geometries
        Result of `message_geometry` for each seed. Seeds with None are ignored. If fewer than two remain, the result
        is None.
    orders
        Permutations of the same images, from `draw_orders`.
    """
    # The square matrix contains each pair of images twice; dividing by sqrt(2) restores unit norm.
    squares = [
        None if own is None else squareform(own.astype(np.float32)) / np.float32(np.sqrt(2)) for own in geometries
    ]
    return _mean_products(squares, orders, _moved_square)


def _moved_square(square: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.float32]:
    # All indices are valid, so mode "wrap" can skip NumPy's bounds check.
    return square.take(order, 0, mode="wrap").take(order, 1, mode="wrap")


def unit_vector(numbers: NDArray[Any]) -> Floats:
    """Centre numbers ``[n]`` and scale them to unit norm, so that a dot product of two results is Pearson's r."""
    centred = numbers - numbers.mean()
    return np.asarray(centred / np.linalg.norm(centred))


def _mean_products(
    vectors: Sequence[NDArray[Any] | None],
    orders: Sequence[Orders],
    moved: Callable[[NDArray[Any], NDArray[np.int64]], NDArray[Any]],
) -> Floats | None:
    """Return the mean dot product over pairs of k unit vectors, under each permutation; None if k < 2.

    It is computed from the squared norm of the sum of the vectors, which is k plus twice the sum of all dot products.
    """
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
