"""Topographic similarity: whether similar things get similar messages.

Brighton and Kirby (2006, "Understanding linguistic evolution by visualizing the emergence of topographic
mappings"); on learned agents, Lazaridou et al. (2018, "Emergence of linguistic communication from referential
games with symbolic and pixel input"). It is Spearman's correlation, over all pairs of dialogues, of the
distance between their messages and the distance between their meanings.

Pairs that share a dialogue are not independent, so the p-value is Mantel's (1967, "The detection of disease
clustering and a generalized regression approach"): meanings are permuted over the messages.

Shapes: N dialogues, d bits per message, F features of a meaning, P permutations. All of it takes
about 80 bytes for each of the N (N - 1) / 2 pairs; measure a sample of a few thousand dialogues.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from parley.metrics.exchanges import Floats
from parley.metrics.permutation import Tested, p_at_least

ROWS = 64
"""Rows of the rank matrix permuted at once, few enough to stay in the cache."""
DECIMALS = 12
"""Distances that are equal to this many decimals are ties, because equal meanings differ by rounding."""
TOLERANCE = 1e-6
"""Correlations that differ less are equal: they are sums in single precision."""


def message_distances(messages: NDArray[Any]) -> Floats:
    """Return the Hamming distance of each pair of messages [N, d], in bits, in the order of `pdist` [N (N - 1) / 2].

    Of continuous messages it is the sum of absolute differences, as in `exchanges.distances`.
    """
    return np.asarray(pdist(messages, "cityblock"))


def meaning_distances(meanings: NDArray[Any]) -> Floats:
    """Return the cosine distance of each pair of meanings, 1 - cosine, in the order of `pdist` [N (N - 1) / 2].

    It is one matrix product, which is many times faster than `pdist` for meanings with many features. Its rounding
    noise is removed: distances are rounded to 12 decimals.

    Parameters
    ----------
    meanings
        Features of what each message is about [N, F].

    Raises
    ------
    ValueError
        If a feature is not finite, or a meaning is all zeros and so has no direction.
    """
    rows = meanings.astype(np.float64)
    if not np.isfinite(rows).all():
        raise ValueError("Features of meanings must be finite numbers.")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError("A meaning that is all zeros has no direction, and so no cosine distance.")
    rows = rows / lengths
    return np.asarray(np.round(1 - squareform(rows @ rows.T, checks=False), DECIMALS))


def mantel(
    messages: NDArray[Any], meanings: NDArray[Any], permutations: int, generator: np.random.Generator
) -> Tested | None:
    """Test topographic similarity against permuted meanings.

    Parameters
    ----------
    messages
        Bits or numbers [N, d].
    meanings
        Features of what each is about [N, F].
    permutations
        Number of permutations P.
    generator
        Random generator; the same seed gives the same null.

    Returns
    -------
    Tested or None
        A value between -1 and 1. None if all pairs of messages, or of meanings, are equally far apart, as in a language
        of one message.
    """
    message_ranks = centred_ranks(message_distances(messages))
    meaning_ranks = centred_ranks(meaning_distances(meanings))
    if message_ranks is None or meaning_ranks is None:
        return None
    rho = float(np.clip(message_ranks @ meaning_ranks, -1, 1))
    # Each pair counts once: the other triangle is zero.
    first = np.triu(squareform(message_ranks.astype(np.float32)))
    second = squareform(meaning_ranks.astype(np.float32))
    orders = (generator.permutation(len(messages)) for _ in range(permutations))
    null = np.fromiter((_permuted_product(first, second, order) for order in orders), np.float32, permutations)
    return Tested(rho, p_at_least(rho, null.astype(np.float64), TOLERANCE), null)


def mantel_of_classes(
    messages: NDArray[Any],
    classes: NDArray[np.integer[Any]],
    meanings: NDArray[Any],
    permutations: int,
    generator: np.random.Generator,
) -> Tested | None:
    """Test topographic similarity where meanings belong to classes and each class has many messages.

    The value is that of `mantel`. The null permutes meanings over classes: messages about one class stay together. If
    single dialogues were permuted, any language that merely names classes would be beyond its null, because messages
    and meanings of one class are similar. The test asks whether classes of similar meaning have similar messages.

    Parameters
    ----------
    messages
        Bits or numbers [N, d].
    classes
        What each is about, as a row of `meanings` [N].
    meanings
        Features of the classes [K, F]; classes that no message is about do not count.
    permutations, generator
        As in `mantel`.
    """
    ids, own = np.unique(classes, return_inverse=True)
    ranks = centred_ranks(message_distances(messages))
    if ranks is None:
        return None
    about = np.eye(len(ids))[own]
    # Over pairs of classes, each pair of dialogues twice.
    rank_sums = about.T @ squareform(ranks) @ about
    pairs = np.outer(about.sum(axis=0), about.sum(axis=0)) - np.diag(about.sum(axis=0))
    levels = np.unique(squareform(meaning_distances(meanings[ids])), return_inverse=True)[1]
    levels = levels.reshape(len(ids), len(ids))
    rho = _class_correlation(rank_sums, pairs, levels)
    if rho is None:
        return None
    orders = (generator.permutation(len(ids)) for _ in range(permutations))
    found = (_class_correlation(rank_sums, pairs, levels[np.ix_(order, order)]) for order in orders)
    # If classes differ in size, a permutation may make all distances equal, which leaves no correlation.
    null = np.array([0.0 if value is None else value for value in found], np.float32)
    return Tested(rho, p_at_least(rho, null.astype(np.float64), TOLERANCE), null)


def _class_correlation(rank_sums: Floats, pairs: Floats, levels: NDArray[np.integer[Any]]) -> float | None:
    """Correlate ranks of messages with ranks of meanings, from sums over pairs of classes, all [K, K].

    `rank_sums` sums the centred ranks of message distances over the pairs of dialogues of two classes, `pairs` counts
    them, and `levels` numbers the distance in meaning among all distinct distances.
    """
    counts = np.bincount(levels.ravel(), weights=pairs.ravel())
    ranks = np.cumsum(counts) - counts / 2
    centred = ranks - (ranks @ counts) / counts.sum()
    length = np.sqrt(counts @ centred**2 * 2)  # Each pair is counted twice on both sides.
    if length <= 0:
        return None
    return float(np.clip((rank_sums * centred[levels]).sum() / length, -1, 1))


def centred_ranks(distances: Floats) -> Floats | None:
    """Rank distances; centred and of length 1, so that a correlation is a product. None where they do not vary."""
    if distances.size == 0 or np.ptp(distances) == 0:
        return None
    centred = mean_ranks(distances) - (distances.size + 1) / 2
    return np.asarray(centred / np.linalg.norm(centred))


def mean_ranks(values: NDArray[np.floating]) -> Floats:
    """Rank values [n], 1 = smallest; equal ones share the mean of their ranks.

    As `scipy.stats.rankdata` does, which takes a third of a second to import in each of many short jobs.
    """
    _, indices, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[indices])


def _permuted_product(
    first: NDArray[np.float32], second: NDArray[np.float32], order: NDArray[np.integer[Any]]
) -> float:
    """Sum first[i, j] second[order[i], order[j]], where `first` is zero below its diagonal.

    Permuting both ranks alike changes neither their means nor their variances, so this is all that a permutation
    has to compute. Indices are known to be within bounds, and "wrap" skips the check.
    """
    total = 0.0
    for start in range(0, len(order), ROWS):
        rows = np.take(second, order[start : start + ROWS], axis=0, mode="wrap")
        moved = np.take(rows, order[start:], axis=1, mode="wrap")
        total += float(np.einsum("ij,ij->i", first[start : start + ROWS, start:], moved).sum(dtype=np.float64))
    return total
