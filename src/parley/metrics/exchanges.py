"""Rank and likelihood of the true class, and how much messages change between exchanges.

Training imports this module, so a change to its code causes every run to be trained again. Metrics that only later
stages use are therefore in other modules.

Tied scores are ranked at random, and functions return the expectation over these random choices. The accuracy of an
agent that gives every candidate the same score is therefore exactly that of a random guess.

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
"""Maximum number of array elements processed at once; an intermediate array in double precision takes 32 MB."""


def by_case(work: Callable[..., Sequence[Array]], scores: Array, *others: Array) -> tuple[Array, ...]:
    """Apply a function to one block of cases at a time, to limit the use of memory.

    Parameters
    ----------
    work
        Function that computes arrays [n] from scores [n, K] and the other arrays [n], independently for each case.
    scores
        Scores of the candidates in each case [..., K].
    others
        Other arrays with one value per case, broadcastable to [...].

    Returns
    -------
    tuple of arrays
        The results of `work` for all cases, [...] each.

    Raises
    ------
    ValueError
        If one of `others` is not broadcastable to [...].
    """
    leading = scores.shape[:-1]
    cases = [scores.reshape(-1, scores.shape[-1]), *(np.broadcast_to(each, leading).reshape(-1) for each in others)]
    found = [work(*(each[rows] for each in cases)) for rows in row_blocks(cases[0].shape)]
    return tuple(np.concatenate(parts).reshape(leading) for parts in zip(*found, strict=True))


def row_blocks(shape: Sequence[int]) -> Iterator[slice]:
    """Yield slices that divide the first axis of an array into blocks of at most `MOST_NUMBERS` elements.

    A block has at least one row, even if a row is larger. There is at least one block, even if the array is empty.
    """
    rows = max(1, MOST_NUMBERS // max(1, prod(shape[1:])))
    for start in range(0, max(1, shape[0]), rows):
        yield slice(start, min(start + rows, shape[0]))


def target_ranks(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Return the rank of the true class, 1 = best. Candidates with equal scores all get the mean of their ranks.

    Parameters
    ----------
    scores
        Scores of the candidates [..., K]; higher is better.
    targets
        Index of the true class among the candidates [...].

    Returns
    -------
    Floats
        Ranks between 1 and K [...]. They are half-integers where an even number of candidates tie.

    Raises
    ------
    ValueError
        If a score is not finite. NaN would rank first, because no candidate compares as higher.
    """
    higher, tied = _higher_and_tied(scores, targets)
    return higher + 1 + tied / 2


def hits(scores: NDArray[np.floating], targets: Ints, k: int) -> Floats:
    """Return 1 where the true class is among the k best candidates and 0 elsewhere [...], or a fraction for ties.

    If h candidates score higher than the true class and m others tie with it, its rank is uniformly distributed on
    h + 1, …, h + m + 1. Raises `ValueError` if a score is not finite.
    """
    higher, tied = _higher_and_tied(scores, targets)
    return np.clip((k - higher) / (tied + 1), 0.0, 1.0)


def accuracy(scores: NDArray[np.floating], targets: Ints, k: int = 1) -> float:
    """Return accuracy@k: the fraction of all cases in which the true class is among the k best candidates."""
    return float(hits(scores, targets, k).mean())


def chance(k: int, candidates: int) -> float:
    """Return the accuracy@k of a random guess among K candidates: k / K, at most 1."""
    return min(k, candidates) / candidates


def first_places(scores: NDArray[np.floating]) -> Floats:
    """Return each candidate's share of the first rank [..., K]: 1 for the best candidate, equal shares for ties."""
    _check_finite(scores)
    best = scores == scores.max(axis=-1, keepdims=True)
    return np.asarray(best / best.sum(axis=-1, keepdims=True))


def log_probabilities(scores: NDArray[np.floating]) -> Floats:
    """Return the logarithm of the softmax of the scores, in nats [..., K], in double precision without overflow."""
    _check_finite(scores)
    shifted = scores.astype(np.float64) - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def nll_nats(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Return the negative log-likelihood of the true class under the softmax of the scores, in nats [...].

    If all scores are equal, the result is ln K, which is the baseline.
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
        raise ValueError("Scores must be finite numbers to have ranks; the scores of a run that diverged are not.")


def distances(messages: Values) -> NDArray[np.float64]:
    """Return the Hamming distance between each message and the agent's previous message, ``[T, N]``.

    The first message is compared with zeros. For continuous messages, the L1 distance is used.

    Parameters
    ----------
    messages
        Messages of one agent, ``[T, N, d]``.
    """
    before = np.concatenate([np.zeros_like(messages[:1]), messages[:-1]])
    return np.asarray(np.abs(messages.astype(np.float64) - before).sum(-1))


def mean_change_original(messages: Values, active: Values, batch_size: int) -> float:
    """Return the mean change of messages, in bits, as the original implementation (Evtimova et al., 2018) computes it.

    The original implementation reports it as `hamming_sen_mean` and `hamming_rec_mean`. It is the mean Hamming distance
    between successive messages, where the first message is compared with zeros. In each batch, all images are included
    at every exchange until the last dialogue of the batch has stopped. All batches have equal weight, even if the last
    one is smaller.

    Parameters
    ----------
    messages
        Messages of one agent, ``[T, N, d]``.
    active
        1 if the dialogue is still active when exchange t begins, else 0, ``[T, N]``.
    batch_size
        Number of images per batch.
    """
    apart = distances(messages)
    means = []
    for start in range(0, active.shape[1], batch_size):
        rows = slice(start, start + batch_size)
        exchanges = int(active[:, rows].sum(0).max())
        means.append(apart[:exchanges, rows].mean())
    return float(np.mean(means))
