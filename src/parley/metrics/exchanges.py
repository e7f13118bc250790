"""Rank and likelihood of the true class, and how much messages change between exchanges.

Training imports this module, so a change to its code causes every run to be trained again. Metrics that only later
stages use are therefore in other modules, except `target_ranks`, which shares its computation with `hits`.

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
    """Apply a function to cases (such as dialogues) block by block, to limit the use of memory.

    Parameters
    ----------
    work
        Function of scores ``[n, K]`` and other arrays ``[n]`` that returns arrays ``[n]``, one result per case.
    scores
        ``[..., K]``: scores of the candidates in each case.
    others
        Other arrays with one value per case, broadcastable to ``[...]``.

    Returns
    -------
    tuple of arrays
        The results of `work` for all cases; each array is ``[...]``.

    Raises
    ------
    ValueError
        If one of `others` is not broadcastable to ``[...]``.
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
        ``[..., K]``: scores of the candidates; higher is better.
    targets
        ``[...]``: index of the true class among the candidates.

    Returns
    -------
    Floats
        ``[...]``: ranks between 1 and K. They are half-integers where an even number of candidates tie.

    Raises
    ------
    ValueError
        If a score is not finite. NaN would rank first, because no candidate compares as higher.
    """
    higher, tied = _higher_and_tied(scores, targets)
    return higher + 1 + tied / 2


def hits(scores: NDArray[np.floating], targets: Ints, k: int) -> Floats:
    """Return ``[...]``: 1 if the true class is among the k best candidates, else 0; a fraction for ties.

    If h candidates score higher than the true class and m others tie with it, its rank is uniformly distributed on
    h + 1, …, h + m + 1. Raises `ValueError` if a score is not finite.
    """
    higher, tied = _higher_and_tied(scores, targets)
    return np.clip((k - higher) / (tied + 1), 0.0, 1.0)


def chance(k: int, candidates: int) -> float:
    """Return the accuracy@k of a random guess among K candidates: k / K, at most 1."""
    return min(k, candidates) / candidates


def log_probabilities(scores: NDArray[np.floating]) -> Floats:
    """Return the logarithm of the softmax of the scores, ``[..., K]``, in nats; double precision, without overflow."""
    check_finite(scores)
    shifted = scores.astype(np.float64) - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def nll_nats(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Return the negative log-likelihood of the true class under the softmax of the scores, ``[...]``, in nats.

    If all scores are equal, the result is ln K, which is the baseline.
    """

    def nll(some: NDArray[np.floating], own: Ints) -> tuple[Floats]:
        return (-np.take_along_axis(log_probabilities(some), own[:, None], axis=1)[:, 0],)

    return by_case(nll, scores, targets)[0]


def _higher_and_tied(scores: NDArray[np.floating], targets: Ints) -> tuple[Floats, Floats]:
    def counted(some: NDArray[np.floating], own_targets: Ints) -> tuple[Floats, Floats]:
        check_finite(some)
        own = np.take_along_axis(some, own_targets[:, None], axis=1)
        return (some > own).sum(axis=1).astype(np.float64), (some == own).sum(axis=1) - 1.0

    higher, tied = by_case(counted, scores, targets)
    return higher, tied


def check_finite(scores: NDArray[np.floating]) -> None:
    """Raise `ValueError` if a score is not finite."""
    if not np.isfinite(scores).all():
        raise ValueError("Scores must be finite numbers; those of a run that diverged are not.")


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
