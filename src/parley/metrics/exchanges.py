"""Rank and likelihood of the true class, and how much messages change between exchanges.

Training imports this module, so an edit of it retrains every run; metrics that only later stages use are elsewhere.

Ties are broken at random, and the expectation over the tie-breaking is returned. An agent that gives every candidate
the same score therefore gets exactly chance; with `argmax` or a rank by "strictly higher" its result would depend on
the order of the candidates.

Shapes: `...` any leading dimensions (dialogues, exchanges), N dialogues, T exchanges, K candidates, d bits per message.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Values = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_NUMBERS = 4_000_000
"""Numbers per block: 32 MB in double precision, and several such intermediates."""


def by_case(work: Callable[..., Sequence[Array]], scores: Array, *others: Array) -> tuple[Array, ...]:
    """Apply a function that treats each case independently, one block of cases at a time.

    Parameters
    ----------
    work
        Takes scores [n, K] and the other arrays [n], and returns arrays [n].
    scores
        [..., K].
    others
        Other arrays, one value per case: [...], or broadcastable to it.

    Returns
    -------
    tuple of arrays
        The results of `work`, [...] each.

    Raises
    ------
    ValueError
        If another array does not broadcast to [...].
    """
    leading = scores.shape[:-1]
    cases = [scores.reshape(-1, scores.shape[-1]), *(np.broadcast_to(each, leading).reshape(-1) for each in others)]
    found = [work(*(each[rows] for each in cases)) for rows in row_blocks(cases[0].shape)]
    return tuple(np.concatenate(parts).reshape(leading) for parts in zip(*found, strict=True))


def row_blocks(shape: Sequence[int]) -> Iterator[slice]:
    """Yield slices of the first axis of an array [N, ...], at least one, each of at most `MOST_NUMBERS` numbers."""
    rows = max(1, MOST_NUMBERS // max(1, prod(shape[1:])))
    for start in range(0, max(1, shape[0]), rows):
        yield slice(start, min(start + rows, shape[0]))


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
        If a score is not a finite number: no candidate compares as higher than NaN, so it would rank first.
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
    """Return the accuracy@k of a random guess among K candidates: k / K, at most 1."""
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

    Equal scores give ln K, the value to compare with.
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
        raise ValueError("Scores must be finite numbers; those of a run that diverged are not, and have no ranks.")


def distances(messages: Values) -> NDArray[np.float64]:
    """Return the Hamming distance of each message from the agent's previous one, of the first from zeros, ``[T, N]``.

    Of continuous messages it is the sum of absolute differences.

    Parameters
    ----------
    messages
        Messages of one agent, ``[T, N, d]``.
    """
    before = np.concatenate([np.zeros_like(messages[:1]), messages[:-1]])
    return np.asarray(np.abs(messages.astype(np.float64) - before).sum(-1))


def mean_change_original(messages: Values, active: Values, batch_size: int) -> float:
    """Return what the 2017 code reports as `hamming_sen_mean` or `hamming_rec_mean`, in bits.

    The first message counts with its distance from zeros. In each batch, every image counts at every exchange until
    the last dialogue has stopped. All batches have the same weight, also a shorter last one.

    Parameters
    ----------
    messages
        Messages of one agent, ``[T, N, d]``.
    active
        1 if the dialogue is still active when exchange t begins, ``[T, N]``.
    batch_size
        Images per batch.
    """
    apart = distances(messages)
    means = []
    for start in range(0, active.shape[1], batch_size):
        rows = slice(start, start + batch_size)
        exchanges = int(active[:, rows].sum(0).max())
        means.append(apart[:exchanges, rows].mean())
    return float(np.mean(means))
