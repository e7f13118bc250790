"""Agreement of two seeds of a run: same answers, same correctness, correlated lengths and message distances.

Shapes: N images, d bits per message, n seeds.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.metrics.intervals import t_interval
from parley.metrics.topographic import centred_ranks, message_distances

Floats = NDArray[np.float64]


def same_fraction(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the fraction of images that get the same answer [N]."""
    return float((first == second).mean())


def cohen_kappa(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return the agreement beyond chance: 1 = always the same answer, 0 = as often as independent answers.

    Cohen (1960, "A coefficient of agreement for nominal scales"): (p - e) / (1 - e), where p is the fraction of images
    with the same answer, and e its expectation if the two answered independently with their own answer frequencies.

    Parameters
    ----------
    first, second
        One answer an image [N].

    Returns
    -------
    float or None
        At most 1. None if both always give one and the same answer, because chance alone makes them agree.
    """
    by_chance = same_by_chance(first, second)
    return None if by_chance is None else float(kappa_of(same_fraction(first, second), by_chance))


def same_by_chance(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return the expected fraction of equal answers if both answer independently with these frequencies [N each].

    None if both always give one and the same answer.
    """
    answers = np.unique(np.concatenate([first, second]))
    if len(answers) == 1:  # Sums of rounded shares may miss 1.
        return None
    shares = [(each[:, None] == answers).mean(0) for each in (first, second)]
    return float(shares[0] @ shares[1])


def kappa_of(same: float | Floats, by_chance: float) -> float | Floats:
    """Return Cohen's kappa from the fraction of equal answers and its expectation by chance."""
    return (same - by_chance) / (1 - by_chance)


def pearson(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return Pearson's correlation of one number per image [N]; None if one of the two does not vary."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.clip(np.corrcoef(first, second)[0, 1], -1, 1))


def message_geometry(messages: NDArray[Any]) -> Floats | None:
    """Return normalised ranks of all pairwise message distances; two geometries correlate by a dot product.

    Representational similarity (Kriegeskorte, Mur and Bandettini, 2008, "Representational similarity analysis -
    connecting the branches of systems neuroscience"): seeds give bits different meanings, so their messages cannot be
    compared directly, but their distances can. The distances are Hamming's.

    Parameters
    ----------
    messages
        One per image, of the same images in the same order for both seeds [N, d].

    Returns
    -------
    NDArray or None
        Centred and of length 1 [N (N - 1) / 2]; None if all distances are equal.
    """
    return centred_ranks(message_distances(messages))


def geometry_correlation(first: Floats | None, second: Floats | None) -> float | None:
    """Return Spearman's correlation of two geometries; None if one of them does not vary."""
    return None if first is None or second is None else float(np.clip(first @ second, -1, 1))


def jackknife_interval(values: Mapping[tuple[int, int], float], seeds: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean over all pairs of seeds, by leaving out one seed at a time.

    Pairs that share a seed are not independent, seeds are. Tukey (1958, "Bias and confidence in not-quite large
    samples"): the pseudo-value of a seed is n times the mean minus n - 1 times the mean without it, and the
    pseudo-values are treated as a sample, with Student's t of n - 1 degrees of freedom.

    Parameters
    ----------
    values
        One value per pair of seeds, by their indices from 0.
    seeds
        Number of seeds n.

    Returns
    -------
    tuple[float, float] or None
        Lower and upper end. None with fewer than three seeds, or if a pair is missing.
    """
    if seeds < 3 or values.keys() != set(combinations(range(seeds), 2)):
        return None
    mean = float(np.mean(list(values.values())))
    without = [np.mean([value for pair, value in values.items() if seed not in pair]) for seed in range(seeds)]
    over = t_interval([float(seeds * mean - (seeds - 1) * left) for left in without])
    assert over.low is not None  # there are three at least
    assert over.high is not None
    return over.low, over.high
