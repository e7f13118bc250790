"""What agreement there is between seeds whose images change places: the null of `agreement`.

Under each permutation the images of every seed but the first are put into an order of their own. Each measure's
mean over the pairs of seeds is then that of seeds that have nothing to do with each other, but answer, stop and
speak each as often in each way as before.

Letters of shapes: N images, n seeds, P permutations.
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
"""Of each seed's images ``[N]``."""


def draw_orders(seeds: int, images: int, permutations: int, generator: np.random.Generator) -> list[Orders]:
    """Draw an order of the images for each seed; the first keeps its own, as only what lies beside what counts.

    Parameters
    ----------
    seeds, images, permutations
        How many.
    generator
        Draws them.
    """
    own = np.arange(images)
    return [[own, *(generator.permutation(images) for _ in range(seeds - 1))] for _ in range(permutations)]


def sameness_nulls(answers: Sequence[NDArray[Any]], orders: Sequence[Orders]) -> tuple[Floats, Floats | None]:
    """Return the mean over pairs, under each permutation, of the same answers' fraction and of Cohen's kappa.

    Parameters
    ----------
    answers
        One an image, of each seed [N].
    orders
        From `draw_orders`.

    Returns
    -------
    tuple of arrays
        ``[P]`` each; kappa over the pairs that have one, and None where none has.
    """
    pairs = list(combinations(range(len(answers)), 2))
    chance = [same_by_chance(answers[one], answers[other]) for one, other in pairs]

    def fractions(order: Orders) -> list[float]:
        moved = [own[places] for own, places in zip(answers, order, strict=True)]
        return [float((moved[one] == moved[other]).mean()) for one, other in pairs]

    same = np.array([fractions(order) for order in orders])
    # How often each answer is given stays as it is, and so does what of it is chance.
    kappas = [kappa_of(same[:, place], by_chance) for place, by_chance in enumerate(chance) if by_chance is not None]
    return np.asarray(same.mean(1)), np.asarray(sum(kappas) / len(kappas)) if kappas else None


def correlation_null(numbers: Sequence[NDArray[Any]], orders: Sequence[Orders]) -> Floats | None:
    """Return the mean over pairs of Pearson's correlation, under each permutation [P].

    Parameters
    ----------
    numbers
        One an image, of each seed [N]; a seed whose numbers do not vary is in no pair.
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
        From `parley.metrics.agreement.message_geometry`, of each seed; one without is in no pair.
    orders
        From `draw_orders`, of the images that the geometries are of.
    """
    # Each pair of images stands twice in a square: over the root of 2, its length is 1 again.
    squares = [
        None if own is None else squareform(own.astype(np.float32)) / np.float32(np.sqrt(2)) for own in geometries
    ]
    return _mean_products(squares, orders, _moved_square)


def _moved_square(square: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.float32]:
    # Indices are known to be within bounds, and "wrap" skips the check.
    return square.take(order, 0, mode="wrap").take(order, 1, mode="wrap")


def _square(geometry: Floats) -> NDArray[np.float32]:
    """Return the geometry as a square ``[N, N]`` of length 1, in which each pair of images stands twice."""
    return np.asarray(squareform(geometry.astype(np.float32)) / np.float32(np.sqrt(2)))


def _unit(numbers: NDArray[Any]) -> Floats:
    centred = numbers - numbers.mean()
    return np.asarray(centred / np.linalg.norm(centred))


def _mean_products(
    vectors: Sequence[NDArray[Any] | None],
    orders: Sequence[Orders],
    moved: Callable[[NDArray[Any], NDArray[np.int64]], NDArray[Any]],
) -> Floats | None:
    """Return the mean product of two of the k vectors of length 1: their sum's square is k and twice all products."""
    known = [(place, vector) for place, vector in enumerate(vectors) if vector is not None]
    count = len(known)
    if count < 2:
        return None
    squares = []
    for order in orders:
        total = np.zeros_like(known[0][1])
        for place, vector in known:
            total += moved(vector, order[place])
        squares.append(float(np.vdot(total, total)))
    return (np.array(squares) - count) / (count * (count - 1))
