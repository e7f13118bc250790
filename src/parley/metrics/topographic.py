"""Topographic similarity: whether messages with similar meanings are similar.

Topographic similarity (Brighton and Kirby, 2006, "Understanding linguistic evolution by visualizing the emergence of
topographic mappings"; for learned agents, Lazaridou et al., 2018, "Emergence of linguistic communication from
referential games with symbolic and pixel input") is Spearman's correlation, over all pairs of dialogues, between the
distance of the two messages and the distance of their meanings.

Pairs that share a dialogue are not independent. The p-value is therefore that of Mantel's test (1967, "The detection of
disease clustering and a generalized regression approach"), which permutes the meanings over the messages.

Shapes: N dialogues, d bits per message, F features of a meaning, K classes, A attributes, P permutations. The
computation needs about 80 bytes for each of the N (N - 1) / 2 pairs, so use a sample of at most a few thousand
dialogues.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from parley.metrics.exchanges import Floats
from parley.metrics.permutation import Tested, p_at_least

ROWS = 64
"""Number of rows of the N × N matrix of ranks that are permuted at once, so that they fit into the CPU's cache."""
DECIMALS = 12
"""Distances are rounded to this many decimals, so that rounding errors do not make equal distances different."""
TOLERANCE = 1e-6
"""Correlations that differ by less than this are treated as equal, because they are summed in single precision."""


def message_distances(messages: NDArray[Any]) -> Floats:
    """Return the Hamming distances in bits between all pairs of messages ``[N, d]``, as a vector ordered like `pdist`.

    The vector is ``[N (N - 1) / 2]``. For continuous messages, the L1 distance is used, as in `exchanges.distances`.
    """
    return np.asarray(pdist(messages, "cityblock"))


def meaning_distances(meanings: NDArray[Any]) -> Floats:
    """Return the cosine distances, 1 - cosine, between all pairs of meanings, as a vector ordered like `pdist`.

    The vector is ``[N (N - 1) / 2]``. One matrix product computes it, many times faster than `pdist` for meanings with
    many features. The distances are rounded to 12 decimals to remove rounding errors.

    Parameters
    ----------
    meanings
        ``[N, F]``: features of the meaning of each message.

    Raises
    ------
    ValueError
        If a feature is not finite, or if a meaning is all zeros, for which no cosine is defined.
    """
    rows = meanings.astype(np.float64)
    if not np.isfinite(rows).all():
        raise ValueError("Features of meanings must be finite numbers.")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError("The cosine distance of a meaning that is all zeros is undefined.")
    rows = rows / lengths
    return np.asarray(np.round(1 - squareform(rows @ rows.T, checks=False), DECIMALS))


def attribute_distances(attributes: NDArray[Any]) -> Floats:
    """Return the fraction of attributes that differ between all pairs of classes, as a vector ordered like `pdist`.

    The vector is ``[K (K - 1) / 2]`` for attributes ``[K, A]``. The values of an attribute are names, even if they are
    encoded as numbers: two of them are equal or not, and the difference of their codes means nothing. Every attribute
    has the same weight. Two classes that both lack an attribute agree in it, unlike in the Jaccard distance, because a
    message can convey that it is absent. An attribute that is the same for all classes scales all distances by one
    factor and changes no rank.
    """
    return np.asarray(pdist(attributes, "hamming"))


def mantel(
    messages: NDArray[Any], meanings: NDArray[Any], permutations: int, generator: np.random.Generator
) -> Tested | None:
    """Test topographic similarity; the null permutes the meanings over the messages.

    Parameters
    ----------
    messages
        ``[N, d]``: messages, as bits or continuous numbers.
    meanings
        ``[N, F]``: features of the meaning of each message.
    permutations
        Number of permutations P.
    generator
        Random number generator for the permutations; the same seed gives the same null.

    Returns
    -------
    Tested or None
        Value between -1 and 1, with its null. None if all pairs of messages, or all pairs of meanings, have the same
        distance, for example if all messages are equal.
    """
    message_ranks = centred_ranks(message_distances(messages))
    meaning_ranks = centred_ranks(meaning_distances(meanings))
    if message_ranks is None or meaning_ranks is None:
        return None
    rho = float(np.clip(message_ranks @ meaning_ranks, -1, 1))
    # The lower triangle is set to zero, so that each pair is counted once.
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
    distances: Callable[[NDArray[Any]], Floats] = meaning_distances,
) -> Tested | None:
    """Test topographic similarity for meanings of classes: all messages about a class have the same meaning.

    The value is the same as that of `mantel`. The null permutes meanings over classes, so messages about one class stay
    together. If single dialogues were permuted, any language that merely names classes would exceed its null, because
    messages about one class are similar and have the same meaning. This test instead asks whether classes with similar
    meanings have similar messages.

    Parameters
    ----------
    messages
        ``[N, d]``: messages, as bits or continuous numbers.
    classes
        ``[N]``: class of each message, as the index of a row of `meanings`.
    meanings
        ``[K, F]``: features of the classes, or attributes; classes without messages are ignored.
    permutations, generator
        As in `mantel`.
    distances
        Function that returns the distances of meanings, such as `attribute_distances`.
    """
    ids, own = np.unique(classes, return_inverse=True)
    ranks = centred_ranks(message_distances(messages))
    if ranks is None:
        return None
    about = np.eye(len(ids))[own]
    # For each pair of classes: sum of ranks, and number of pairs of dialogues. Each such pair is included twice.
    rank_sums = about.T @ squareform(ranks) @ about
    pairs = np.outer(about.sum(axis=0), about.sum(axis=0)) - np.diag(about.sum(axis=0))
    levels = np.unique(squareform(distances(meanings[ids])), return_inverse=True)[1]
    levels = levels.reshape(len(ids), len(ids))
    rho = _class_correlation(rank_sums, pairs, levels)
    if rho is None:
        return None
    orders = (generator.permutation(len(ids)) for _ in range(permutations))
    found = (_class_correlation(rank_sums, pairs, levels[np.ix_(order, order)]) for order in orders)
    # If classes differ in size, all distances can be equal after a permutation; the correlation is then set to 0.
    null = np.array([0.0 if value is None else value for value in found], np.float32)
    return Tested(rho, p_at_least(rho, null.astype(np.float64), TOLERANCE), null)


def _class_correlation(rank_sums: Floats, pairs: Floats, levels: NDArray[np.integer[Any]]) -> float | None:
    """Return the rank correlation of message and meaning distances; None if all meaning distances are equal.

    The arguments contain one value per pair of classes, ``[K, K]``. `rank_sums` is the sum of the centred ranks of
    message distances over the pairs of dialogues about the two classes, `pairs` the number of these pairs of dialogues,
    and `levels` the index of the distance between the two meanings among the sorted distinct distances.
    """
    counts = np.bincount(levels.ravel(), weights=pairs.ravel())
    ranks = np.cumsum(counts) - counts / 2
    centred = ranks - (ranks @ counts) / counts.sum()
    length = np.sqrt(counts @ centred**2 * 2)  # The factor 2 allows for pairs that are counted twice in `rank_sums`.
    if length <= 0:
        return None
    return float(np.clip((rank_sums * centred[levels]).sum() / length, -1, 1))


def centred_ranks(distances: Floats) -> Floats | None:
    """Return the ranks of distances, centred and scaled to unit norm; None if all distances are equal.

    The dot product of two results is their rank correlation.
    """
    if distances.size == 0 or np.ptp(distances) == 0:
        return None
    centred = mean_ranks(distances) - (distances.size + 1) / 2
    return np.asarray(centred / np.linalg.norm(centred))


def mean_ranks(values: NDArray[np.floating]) -> Floats:
    """Return the ranks of values ``[n]``, with rank 1 for the smallest. Equal values all get the mean of their ranks.

    The result is that of `scipy.stats.rankdata`, whose import would take a third of a second in every short job.
    """
    _, indices, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[indices])


def _permuted_product(
    first: NDArray[np.float32], second: NDArray[np.float32], order: NDArray[np.integer[Any]]
) -> float:
    """Return the dot product of two matrices, after permuting the rows and columns of the second by `order`.

    `first` must be zero below its diagonal. Permuting dialogues changes neither mean nor variance of the ranks, so only
    this product depends on the permutation. All indices are valid, so mode "wrap" can skip NumPy's bounds check.
    """
    total = 0.0
    for start in range(0, len(order), ROWS):
        rows = np.take(second, order[start : start + ROWS], axis=0, mode="wrap")
        moved = np.take(rows, order[start:], axis=1, mode="wrap")
        total += float(np.einsum("ij,ij->i", first[start : start + ROWS, start:], moved).sum(dtype=np.float64))
    return total
