"""Calibration of the stop probability as a prediction that the answer is correct.

A calibrated Receiver stops with probability p if its answer is correct with probability p. Pass only exchanges that
took place: the caller leaves out those after the stop.

Shapes: `...` any dimensions (dialogues, exchanges), B bins.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.permutation import Tested, against_null
from parley.metrics.ranking import Floats, Ints

BINS = 10


class Reliability(NamedTuple):
    """A reliability diagram: confidence and accuracy in bins of equal width from 0 to 1."""

    n: Ints
    """Cases in each bin [B]."""
    confidence: Floats
    """Mean probability in each bin [B]; NaN in an empty one."""
    accuracy: Floats
    """Fraction of correct answers in each bin [B]; NaN in an empty one."""


def reliability(probabilities: NDArray[np.floating], right: NDArray[Any], bins: int = BINS) -> Reliability:
    """Sort cases into bins by their probability.

    A bin includes its lower end and excludes its upper; the last one includes 1.

    Parameters
    ----------
    probabilities
        Probability to stop at each exchange [...].
    right
        Whether the answer at that exchange is correct: 0 or 1, or a fraction if there are ties, as of
        `ranking.hits` [...].
    bins
        Number of bins B.

    Raises
    ------
    ValueError
        If there is no case, or a value is not between 0 and 1.
    """
    p, hit = _checked(probabilities, right)
    which = np.minimum((p * bins).astype(np.int64), bins - 1)
    n = np.bincount(which, minlength=bins).astype(np.int64)
    means = [
        np.divide(np.bincount(which, values, bins), n, out=np.full(bins, np.nan), where=n > 0) for values in (p, hit)
    ]
    return Reliability(n, means[0], means[1])


def expected_calibration_error(probabilities: NDArray[np.floating], right: NDArray[Any], bins: int = BINS) -> float:
    """Return the expected calibration error, the mean of abs(accuracy - confidence) over bins weighted by cases.

    0 = calibrated, 1 at most.

    Naeini, Cooper and Hauskrecht (2015, "Obtaining well calibrated probabilities using Bayesian binning"). It is biased
    upwards for few cases, because accuracy varies by chance within a bin. Parameters as in `reliability`.
    """
    table = reliability(probabilities, right, bins)
    gaps = np.abs(table.accuracy - table.confidence)
    return float((table.n * np.nan_to_num(gaps)).sum() / table.n.sum())


def brier_score(probabilities: NDArray[np.floating], right: NDArray[Any]) -> float:
    """Return the mean squared error of the probability: 0 = always certain and correct, 1 = always certain and wrong.

    Brier (1950, "Verification of forecasts expressed in terms of probability"), for one event: half of the sum over
    both outcomes. A probability of 1/2 for everything gets 1/4. Parameters as in `reliability`; where `right` is a
    fraction, this is the expectation over it.
    """
    p, hit = _checked(probabilities, right)
    return float((hit * (1 - p) ** 2 + (1 - hit) * p**2).mean())


class CalibrationTests(NamedTuple):
    """Both metrics, each tested against permuted correctness; less is better."""

    error: Tested
    brier: Tested


def calibration_tests(
    probabilities: NDArray[np.floating],
    right: NDArray[Any],
    made: NDArray[np.bool_],
    permutations: int,
    generator: np.random.Generator,
    bins: int = BINS,
) -> CalibrationTests:
    """Compare how calibrated dialogues are with what they would be if they did not know how well they go.

    Whether guesses are right changes places among the dialogues, from the first exchange to the last: exchanges of
    one dialogue go with each other as they did.

    Parameters
    ----------
    probabilities, right
        Of each dialogue and exchange [N, T], as in `reliability`.
    made
        Which exchanges were made, and count [N, T].
    permutations, generator
        Of the null.
    bins
        Number of bins.
    """
    p, hit = _checked(probabilities[made], right[made])
    which = np.minimum((p * bins).astype(np.int64), bins - 1)
    promised = np.bincount(which, p, bins)

    def measured(hits: Floats) -> tuple[float, float]:
        gaps = np.abs(np.bincount(which, hits, bins) - promised)
        return float(gaps.sum() / len(p)), float((hits * (1 - p) ** 2 + (1 - hits) * p**2).mean())

    orders = (generator.permutation(len(right)) for _ in range(permutations))
    null = np.array([measured(right[order][made].astype(np.float64)) for order in orders]).T
    return CalibrationTests(
        *(against_null(value, by_lot, less_is_better=True) for value, by_lot in zip(measured(hit), null, strict=True))
    )


def _checked(probabilities: NDArray[np.floating], right: NDArray[Any]) -> tuple[Floats, Floats]:
    p, hit = probabilities.astype(np.float64).ravel(), right.astype(np.float64).ravel()
    if p.shape != hit.shape or len(p) == 0:
        raise ValueError("There must be at least one probability, and one correctness value for each probability.")
    if not all(((values >= 0) & (values <= 1)).all() for values in (p, hit)):
        raise ValueError("Probabilities and correctness must lie between 0 and 1.")
    return p, hit
