"""Permutation tests: p-values against a null, and tests of the answers and of the decision to stop.

In the tests of the answers, labels are permuted over the dialogues and the answers stay. The null keeps the frequency
of each class as a label and as an answer, so a run that prefers frequent classes is not better than chance.

A calibrated Receiver stops with probability p if its answer is correct with probability p. Only exchanges that took
place count.

Shapes: N dialogues, T exchanges, K candidates, P permutations, B bins, `...` any dimensions.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.exchanges import Floats, Ints, first_places

ROUNDING = 1e-9
"""Values that differ less are equal: the same terms were added in another order."""


class Tested(NamedTuple):
    """The value of a metric with its permutation test."""

    value: float
    p: float
    """One-sided: the fraction of permutations with a value at least as good."""
    null: NDArray[np.floating]
    """Values under permutations [P]."""


def against_null(value: float, null: Floats, less_is_better: bool = False) -> Tested:
    """Return the value with its null and p-value."""
    sign = -1.0 if less_is_better else 1.0
    return Tested(value, p_at_least(sign * value, sign * null, ROUNDING), null)


def p_at_least(value: float, null: Floats, tolerance: float) -> float:
    """Return the one-sided p-value of a value that is better if higher, between 1 / (P + 1) and 1.

    The observed value counts as one of the permutations, (1 + count) / (1 + P), so that the test keeps its level
    whatever P is and p is never zero (Phipson and Smyth, 2010, "Permutation p-values should never be zero").

    Parameters
    ----------
    value
        The observed value.
    null
        Values under random permutations [P].
    tolerance
        Null values that are lower by less than this count as equal: sums of the same numbers in another order
        differ by rounding.
    """
    return float((1 + (null >= value - tolerance).sum()) / (1 + len(null)))


BLOCK = 2**21
"""Number of labels permuted at once, to limit memory."""


class AnswerTests(NamedTuple):
    """Accuracies and macro F1, each tested against permuted labels."""

    accuracy_1: Tested
    accuracy_k: Tested
    macro_f1: Tested


def answer_tests(
    scores: NDArray[np.floating], targets: Ints, k: int, permutations: int, generator: np.random.Generator
) -> AnswerTests:
    """Test the answers against permuted labels.

    Parameters
    ----------
    scores
        Scores of the candidates at the stopping exchange [N, K].
    targets
        Column of the true class [N].
    k
        The k of accuracy@k.
    permutations
        Number of permutations P.
    generator
        Random generator; the same seed gives the same null.
    """
    chosen, among = first_places(scores), _within(scores, k)
    rows, step = np.arange(len(targets)), max(1, BLOCK // len(targets))
    guessed = chosen.sum(axis=0)

    def measured(labels: Ints) -> list[Floats]:
        hits = chosen[rows, labels]
        return [hits.mean(axis=1), among[rows, labels].mean(axis=1), _macro_f1(hits, labels, guessed)]

    found, blocks = measured(targets[None]), []
    for start in range(0, permutations, step):
        size = min(step, permutations - start)
        blocks.append(measured(np.stack([generator.permutation(targets) for _ in range(size)])))
    null = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    return AnswerTests(*(against_null(float(value[0]), by_lot) for value, by_lot in zip(found, null, strict=True)))


def _within(scores: NDArray[np.floating], k: int) -> Floats:
    """Return for each candidate whether it is among the k best [N, K]; a fraction if it is tied for the last rank."""
    best = -np.sort(-scores, axis=1)[:, : min(k, scores.shape[1])]
    last = best[:, -1:]
    higher, tied = (scores > last).sum(axis=1, keepdims=True), (scores == last).sum(axis=1, keepdims=True)
    return np.asarray(np.where(scores > last, 1.0, np.where(scores == last, (best.shape[1] - higher) / tied, 0.0)))


def _macro_f1(hits: Floats, labels: Ints, guessed: Floats) -> Floats:
    """Return `classification.macro_f1` for each row of labels [P], without building confusion matrices.

    Parameters
    ----------
    hits
        Share of the first rank that the label of each dialogue has [P, N].
    labels
        Label of each dialogue; every row is a permutation of the same labels [P, N].
    guessed
        How often each candidate has the first rank [K].
    """
    there = np.bincount(labels[0], minlength=len(guessed))
    cells = labels + len(guessed) * np.arange(len(labels))[:, None]
    right = np.bincount(cells.ravel(), weights=hits.ravel(), minlength=len(labels) * len(guessed))
    f1 = 2 * right.reshape(len(labels), -1)[:, there > 0] / (guessed + there)[there > 0]
    return np.asarray(f1.mean(axis=1))


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
        `exchanges.hits` [...].
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
