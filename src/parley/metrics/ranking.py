"""Accuracy, rank and likelihood of the true class among the candidates.

Ties are broken at random, and the expectation over the tie-breaking is returned. An agent that gives every candidate
the same score therefore gets exactly chance; with `argmax` or a rank by "strictly higher" its result would depend on
the order of the candidates.

In the shapes, `...` is any number of leading dimensions (dialogues, exchanges) and K the number of
candidates.
"""

import numpy as np
from numpy.typing import NDArray

from parley.metrics.blocks import by_case

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def target_ranks(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Rank the true class, 1 = best; candidates with equal scores share the mean of their ranks.

    Parameters
    ----------
    scores
        Scores of the candidates [..., K]; higher is better.
    targets
        Column of the true class [...].

    Returns
    -------
    Floats
        Ranks between 1 and K [...], half numbers where an even number of candidates tie.

    Raises
    ------
    ValueError
        When a score is not a finite number: it would compare as neither higher nor equal, and so rank first.
    """
    higher, tied = _higher_and_tied(scores, targets)
    return higher + 1 + tied / 2


def hits(scores: NDArray[np.floating], targets: Ints, k: int) -> Floats:
    """Return whether the true class is among the k best candidates [...]; a fraction if there are ties.

    With h candidates scoring higher than the true class and m others tied with it, its rank is uniform on
    h + 1 … h + m + 1. Raises `ValueError` as `target_ranks` does.
    """
    higher, tied = _higher_and_tied(scores, targets)
    return np.clip((k - higher) / (tied + 1), 0.0, 1.0)


def accuracy(scores: NDArray[np.floating], targets: Ints, k: int = 1) -> float:
    """Return the fraction of cases with the true class among the k best candidates, over all leading dimensions."""
    return float(hits(scores, targets, k).mean())


def chance(k: int, candidates: int) -> float:
    """Return the accuracy@k of a random guess: k / K, at most 1."""
    return min(k, candidates) / candidates


def first_places(scores: NDArray[np.floating]) -> Floats:
    """Return each candidate's share of the first rank [..., K]: 1 for the best, equal shares if several tie."""
    _check_finite(scores)
    best = scores == scores.max(axis=-1, keepdims=True)
    return np.asarray(best / best.sum(axis=-1, keepdims=True))


def log_probabilities(scores: NDArray[np.floating]) -> Floats:
    """Take the log of the softmax of the scores, in nats [..., K], in double precision and without overflow."""
    _check_finite(scores)
    shifted = scores.astype(np.float64) - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def nll_nats(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Return the negative log-likelihood of the true class under the softmax of the scores, in nats [...].

    Equal scores give ln K: the value to compare with.
    """

    def nll(some: NDArray[np.floating], own: Ints) -> tuple[Floats]:
        return (-np.take_along_axis(log_probabilities(some), own[:, None], axis=1)[:, 0],)

    return by_case(nll, scores, targets)[0]


def _higher_and_tied(scores: NDArray[np.floating], targets: Ints) -> tuple[Floats, Floats]:
    def counted(some: NDArray[np.floating], own_targets: Ints) -> tuple[Floats, Floats]:
        _check_finite(some)
        own = np.take_along_axis(some, own_targets[:, None], axis=1)
        return (some > own).sum(axis=1).astype(np.float64), (some == own).sum(axis=1) - 1.0

    higher, tied = by_case(counted, scores, targets)
    return higher, tied


def _check_finite(scores: NDArray[np.floating]) -> None:
    if not np.isfinite(scores).all():
        raise ValueError("Scores must be finite numbers; a run with other scores has diverged and has no ranks.")
