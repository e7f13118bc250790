"""Permutation null of `agreement`: the agreement of seeds whose images are permuted independently.

Each permutation reorders the images of every seed but the first. The mean of a metric over pairs of seeds is then that
of unrelated seeds with the same frequencies of answers, lengths and messages.

Shapes: N images, n seeds, P permutations.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from parley.metrics.agreement import kappa_of, same_by_chance

Floats = NDArray[np.float64]
Orders = Sequence[NDArray[np.int64]]
"""One permutation of the images ``[N]`` per seed."""


def draw_orders(seeds: int, images: int, permutations: int, generator: np.random.Generator) -> list[Orders]:
    """Draw an order of the images for each seed; the first keeps its own, because only relative order matters.

    Parameters
    ----------
    seeds, images, permutations
        Numbers of each.
    generator
        Random generator.
    """
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
        From `parley.metrics.agreement.message_geometry`, of each seed; a seed without one is left out.
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
