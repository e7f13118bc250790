"""Permutation tests of accuracy@1, accuracy@k and macro F1.

Labels are permuted over the dialogues and the answers stay. The null keeps the frequency of each class as a label and
as an answer, so a run that prefers frequent classes is not better than chance.

Shapes: N dialogues, K candidates, P permutations.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.permutation import Tested, against_null
from parley.metrics.ranking import Floats, Ints, first_places

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
