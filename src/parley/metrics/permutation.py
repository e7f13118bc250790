"""Permutation tests: p-values, and tests of the Receiver's answers and of its decision to stop.

The tests of the answers permute the labels over the dialogues and keep the answers. The null preserves the
frequencies of labels and of answers, so a run that merely prefers frequent classes is not better than chance.

The tests of the decision to stop measure calibration. A Receiver is calibrated if a fraction p of its answers is
correct among all exchanges at which its probability to stop is p.

Shapes: N dialogues, T exchanges, K candidates, P permutations.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.classification import first_places
from parley.metrics.exchanges import Floats, Ints

ROUNDING = 1e-9
"""Values that differ by less than this are treated as equal, because the order of summation causes rounding errors."""
BLOCK = 2**21
"""Maximum number of permuted labels in memory at once."""
BINS = 10
"""Number of bins of equal width for the calibration error. A bin includes its lower end; the last also includes 1."""


class Tested(NamedTuple):
    """Value of a metric, and the result of its permutation test."""

    value: float
    p: float
    """One-sided p-value: the fraction of permutations with a value at least as good, as defined in `p_at_least`."""
    null: NDArray[np.floating]
    """``[P]``: values of the metric under the permutations."""

    @property
    def corrected(self) -> float:
        """Return the value minus its mean under the permutations, which removes what arises by chance."""
        return self.value - float(self.null.mean())


def against_null(value: float, null: Floats, less_is_better: bool = False) -> Tested:
    """Return a value with its null ``[P]`` and p-value. If `less_is_better`, low values are good."""
    sign = -1.0 if less_is_better else 1.0
    return Tested(value, p_at_least(sign * value, sign * null, ROUNDING), null)


def p_at_least(value: float, null: Floats, tolerance: float) -> float:
    """Return the one-sided p-value, between 1 / (P + 1) and 1, of a metric that is better when higher.

    It is (1 + count) / (1 + P), where count is the number of permutations with a value at least as high. Adding 1 for
    the observed order makes the test valid for any P, and p is never zero (Phipson and Smyth, 2010, "Permutation
    p-values should never be zero").

    Parameters
    ----------
    value
        The observed value.
    null
        ``[P]``: values under random permutations.
    tolerance
        Null values that are lower than the observed value by less than this are treated as equal to it.
    """
    return float((1 + (null >= value - tolerance).sum()) / (1 + len(null)))


def answer_tests(
    scores: NDArray[np.floating], targets: Ints, k: int, permutations: int, generator: np.random.Generator
) -> dict[str, Tested]:
    """Test accuracy@1, accuracy@k and macro F1 against permuted labels.

    Parameters
    ----------
    scores
        ``[N, K]``: scores of the candidates at the last exchange of each dialogue.
    targets
        ``[N]``: index of the true class among the candidates.
    k
        Value of k in accuracy@k.
    permutations
        Number of permutations P.
    generator
        Random number generator for the permutations; the same seed gives the same null.

    Returns
    -------
    dict[str, Tested]
        Tests by name of the metric: ``accuracy@1``, ``accuracy@k``, ``macro_f1``.
    """
    chosen, among = first_places(scores), _share_within(scores, k)
    rows, step = np.arange(len(targets)), max(1, BLOCK // len(targets))
    predicted = chosen.sum(axis=0)

    def measured(labels: Ints) -> list[Floats]:
        hits = chosen[rows, labels]
        return [hits.mean(axis=1), among[rows, labels].mean(axis=1), _macro_f1(hits, labels, predicted)]

    values, blocks = measured(targets[None]), []
    for start in range(0, permutations, step):
        size = min(step, permutations - start)
        blocks.append(measured(np.stack([generator.permutation(targets) for _ in range(size)])))
    nulls = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    return {
        name: against_null(float(value[0]), null)
        for name, value, null in zip(("accuracy@1", "accuracy@k", "macro_f1"), values, nulls, strict=True)
    }


def _share_within(scores: NDArray[np.floating], k: int) -> Floats:
    """Return ``[N, K]``: 1 for the k best candidates and 0 for others; candidates tied for rank k get a fraction."""
    best = -np.sort(-scores, axis=1)[:, : min(k, scores.shape[1])]
    last = best[:, -1:]
    higher, tied = (scores > last).sum(axis=1, keepdims=True), (scores == last).sum(axis=1, keepdims=True)
    return np.asarray(np.where(scores > last, 1.0, np.where(scores == last, (best.shape[1] - higher) / tied, 0.0)))


def _macro_f1(hits: Floats, labels: Ints, predicted: Floats) -> Floats:
    """Return the macro F1 for each permutation of the labels, ``[P]``, without building confusion matrices.

    The result equals `classification.macro_f1`. `labels` ``[P, N]`` has one permutation of the labels per row, `hits`
    ``[P, N]`` is each label's share of the first rank in its dialogue, and `predicted` ``[K]`` the number of dialogues
    in which each candidate has the first rank.
    """
    actual = np.bincount(labels[0], minlength=len(predicted))
    cells = labels + len(predicted) * np.arange(len(labels))[:, None]
    right = np.bincount(cells.ravel(), weights=hits.ravel(), minlength=len(labels) * len(predicted))
    f1 = 2 * right.reshape(len(labels), -1)[:, actual > 0] / (predicted + actual)[actual > 0]
    return np.asarray(f1.mean(axis=1))


def calibration_tests(
    probabilities: NDArray[np.floating],
    right: NDArray[Any],
    made: NDArray[np.bool_],
    permutations: int,
    generator: np.random.Generator,
) -> dict[str, Tested]:
    """Test how well the probability to stop predicts a correct answer.

    The null permutes correctness over the dialogues; the exchanges of one dialogue stay together.

    Parameters
    ----------
    probabilities
        ``[N, T]``: probability to stop at each exchange.
    right
        ``[N, T]``: whether the answer at each exchange is correct: 0 or 1, or a fraction if scores are tied, as
        returned by `exchanges.hits`.
    made
        ``[N, T]``: whether each exchange took place; all other exchanges are ignored.
    permutations, generator
        Number of permutations, and the random number generator that draws them.

    Returns
    -------
    dict[str, Tested]
        Two metrics by name, both between 0 and 1; lower is better:

        - ``stop_calibration_error``: the expected calibration error, which is the mean of abs(accuracy - confidence)
          over `BINS` bins, weighted by the number of exchanges in each bin (Naeini, Cooper and Hauskrecht, 2015,
          "Obtaining well calibrated probabilities using Bayesian binning"). It is too high for few exchanges, because
          the accuracy within a bin varies by chance.
        - ``stop_brier``: the mean squared error of the probability (Brier, 1950, "Verification of forecasts expressed
          in terms of probability"; for one event, half of the sum over both outcomes). A constant probability of 1/2
          gives 1/4. If correctness is a fraction, the expected squared error is used.

    Raises
    ------
    ValueError
        If no exchange took place, or a value is not between 0 and 1.
    """
    p, hit = probabilities[made].astype(np.float64), right[made].astype(np.float64)
    if not len(p) or not all(((values >= 0) & (values <= 1)).all() for values in (p, hit)):
        raise ValueError("There must be at least one exchange; probabilities and correctness must lie between 0 and 1.")
    bin_of = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    confidence = np.bincount(bin_of, p, BINS)

    def measured(hits: Floats) -> tuple[float, float]:
        gaps = np.abs(np.bincount(bin_of, hits, BINS) - confidence)
        return float(gaps.sum() / len(p)), float((hits * (1 - p) ** 2 + (1 - hits) * p**2).mean())

    orders = (generator.permutation(len(right)) for _ in range(permutations))
    nulls = np.array([measured(right[order][made].astype(np.float64)) for order in orders]).T
    return {
        name: against_null(value, null, less_is_better=True)
        for name, value, null in zip(("stop_calibration_error", "stop_brier"), measured(hit), nulls, strict=True)
    }
