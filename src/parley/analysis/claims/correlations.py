"""Claims that two things go together, over the classes or the images that all seeds share.

That seeds agree does not show it. They talk about the same classes, and a class may be talked about long in all of them
for whatever reason. So the mean over seeds is compared with what it is when one side changes places among the cases, by
the same lot in all seeds.

Letters of shapes: n cases (classes or images), P permutations.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.analysis.claims.evidence import Evidence
from parley.analysis.claims.measures import About, Found, PerSeed
from parley.metrics.classes import class_means
from parley.metrics.conversations import Conversations
from parley.metrics.correlation import correlation
from parley.metrics.ranking import Floats, hits

ROUNDING = 1e-9
"""By which the same correlation may differ when its terms are added in another order."""


class Pairs(NamedTuple):
    """Two measures of the same cases, of one seed; cases of which one is not known are NaN in both."""

    one: Floats
    """[n]."""
    other: Floats
    """[n]."""


PairsBySeed = Callable[[Evidence, About], dict[int, Pairs]]


def length_and_difficulty(evidence: Evidence, about: About) -> dict[int, Pairs]:
    """Return the mean length of each class's conversations, and the F1 that a linear classifier has of the class."""
    f1 = evidence.difficulty.get(about.part, {})

    def of(said: Conversations) -> Pairs:
        lengths = class_means(said.lengths, said.targets, len(said.labels))
        known = np.array([f1.get(label, np.nan) for label in said.labels])
        return Pairs(lengths + 0 * known, known + 0 * lengths)

    return {seed: of(said) for seed, said in evidence.conversations(about.run, about.part).items()}


def length_and_accuracy(evidence: Evidence, about: About) -> dict[int, Pairs]:
    """Return the length of each conversation, and whether the answer is right; images in one order."""

    def of(said: Conversations) -> Pairs:
        order = np.argsort(said.keys)
        right = hits(said.final_scores, said.targets, 1)
        return Pairs(said.lengths[order].astype(np.float64), right[order])

    return {seed: of(said) for seed, said in evidence.conversations(about.run, about.part).items()}


def correlations(pairs: dict[int, Pairs]) -> PerSeed:
    """Return Pearson's r of each seed; none where there are fewer than four cases, or one side does not vary."""
    found = {seed: correlation(*both) for seed, both in pairs.items()}
    return {seed: Found(one.r, one.n) for seed, one in found.items() if one is not None}


def permutation_p(pairs: dict[int, Pairs], permutations: int, generator: np.random.Generator) -> float | None:
    """Return how often the mean over seeds is as far from 0 when one side changes places among the cases.

    Two-sided; the value found counts as one of the permutations (Phipson and Smyth, 2010).

    Parameters
    ----------
    pairs
        Of each seed, cases in the same order.
    permutations
        How many, P.
    generator
        Draws them; the same seed gives the same p.

    Returns
    -------
    float | None
        None where no seed has a correlation, or seeds do not have the same cases.
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
