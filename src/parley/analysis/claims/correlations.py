"""Claims that two quantities correlate over the classes or images that all seeds share.

Agreement of seeds is not enough: they share the same classes, and a class may have long dialogues in all seeds for some
other reason. The mean over seeds is therefore compared with a null in which one quantity is permuted over the cases, by
the same permutation in all seeds.

Shapes: n cases (classes or images), P permutations.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.analysis.claims.evidence import Evidence
from parley.analysis.claims.measures import About, Found, PerSeed
from parley.metrics.classification import class_means
from parley.metrics.conversations import Conversations
from parley.metrics.exchanges import Floats, hits
from parley.metrics.statistics import correlation

ROUNDING = 1e-9
"""Correlations that differ less are equal: the same terms were added in another order."""


class Pairs(NamedTuple):
    """Two quantities of the same cases, for one seed; cases in which one is unknown are NaN in both."""

    one: Floats
    """[n]."""
    other: Floats
    """[n]."""


PairsBySeed = Callable[[Evidence, About], dict[int, Pairs]]


def length_and_difficulty(evidence: Evidence, about: About) -> dict[int, Pairs]:
    """Return the mean length of the dialogues of each class, and the F1 of a linear classifier on the class."""
    f1 = evidence.difficulty.get(about.part, {})

    def of(dialogues: Conversations) -> Pairs:
        lengths = class_means(dialogues.lengths, dialogues.targets, len(dialogues.labels))
        known = np.array([f1.get(label, np.nan) for label in dialogues.labels])
        return Pairs(lengths + 0 * known, known + 0 * lengths)

    return {seed: of(dialogues) for seed, dialogues in evidence.conversations(about.run, about.part).items()}


def length_and_accuracy(evidence: Evidence, about: About) -> dict[int, Pairs]:
    """Return the length of each dialogue and whether the answer is correct, sorted by image key."""

    def of(dialogues: Conversations) -> Pairs:
        order = np.argsort(dialogues.keys)
        right = hits(dialogues.final_scores, dialogues.targets, 1)
        return Pairs(dialogues.lengths[order].astype(np.float64), right[order])

    return {seed: of(dialogues) for seed, dialogues in evidence.conversations(about.run, about.part).items()}


def correlations(pairs: dict[int, Pairs]) -> PerSeed:
    """Return Pearson's r of each seed; none for seeds with fewer than four cases, or if one quantity does not vary."""
    found = {seed: correlation(*both) for seed, both in pairs.items()}
    return {seed: Found(one.r, one.n) for seed, one in found.items() if one is not None}


def permutation_p(pairs: dict[int, Pairs], permutations: int, generator: np.random.Generator) -> float | None:
    """Return the two-sided permutation p-value of the mean correlation over seeds.

    One quantity is permuted over the cases; the observed value counts as one permutation (Phipson and Smyth, 2010).

    Parameters
    ----------
    pairs
        For each seed, cases in the same order.
    permutations
        Number of permutations P.
    generator
        Draws them; the same seed gives the same p.

    Returns
    -------
    float | None
        None if no seed has a correlation, or seeds have different cases.
    """
    kept = [pairs[seed] for seed in correlations(pairs)]
    known = [np.isfinite(both.one) for both in kept]
    if not kept or any(not np.array_equal(one, known[0]) for one in known):
        return None
    fixed = np.array([_unit(both.one[known[0]]) for both in kept])
    moved = np.array([_unit(both.other[known[0]]) for both in kept])
    value = float((fixed * moved).sum(axis=1).mean())
    orders = (generator.permutation(fixed.shape[1]) for _ in range(permutations))
    null = np.array([(fixed * moved[:, order]).sum(axis=1).mean() for order in orders])
    return float((1 + (np.abs(null) >= abs(value) - ROUNDING).sum()) / (1 + permutations))


def _unit(values: NDArray[np.float64]) -> Floats:
    centred = values - values.mean()
    return np.asarray(centred / np.linalg.norm(centred))
