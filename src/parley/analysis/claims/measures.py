"""What each claim is measured by: one number a seed.

Every function takes the evidence and what a claim of the config is about, and returns the numbers of the seeds that
have one: a seed that failed, or in which nothing varies that could be correlated, has none.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.analysis.claims.evidence import Evidence
from parley.metrics.conversations import Conversations
from parley.metrics.entropy import message_entropy_bits, prediction_entropy_bits
from parley.metrics.ranking import Floats

FEWEST_CASES = 10
"""Conversations of which a mean is told; of fewer it would be that of a handful."""


class Found(NamedTuple):
    """A seed's number, and of how many cases it is."""

    value: float
    cases: int


PerSeed = dict[int, Found]


class About(NamedTuple):
    """What a claim of the config is about."""

    part: str
    run: str = ""
    against: str = ""
    """The run that `run` is compared with."""
    runs: tuple[str, ...] = ()
    """Runs that differ in the width of their messages."""


Measure = Callable[[Evidence, About], PerSeed]


def receiver_entropy_change(evidence: Evidence, about: About) -> PerSeed:
    """Return the entropy of the last question that got an answer less that of the first, in bits.

    Conversations of three exchanges and more have two such questions; what is asked at the last one reaches nobody.
    """

    def of(said: Conversations) -> Found | None:
        return _change(message_entropy_bits(said.receiver_values), said.lengths - 1) if said.binary else None

    return _of_conversations(evidence, about, of)


def sender_entropy_change(evidence: Evidence, about: About) -> PerSeed:
    """Return the entropy of the Sender's last message less that of its first, of two exchanges and more, in bits."""

    def of(said: Conversations) -> Found | None:
        return _change(message_entropy_bits(said.sender_values), said.lengths) if said.binary else None

    return _of_conversations(evidence, about, of)


def prediction_entropy_change(evidence: Evidence, about: About) -> PerSeed:
    """Return the entropy of the last prediction less that of the first, of two exchanges and more, in bits."""

    def of(said: Conversations) -> Found | None:
        return _change(prediction_entropy_bits(said.scores), said.lengths)

    return _of_conversations(evidence, about, of)


def one_exchange(evidence: Evidence, about: About) -> PerSeed:
    """Return the fraction of conversations that stop after one exchange."""
    return _of_conversations(evidence, about, lambda said: Found(float((said.lengths == 1).mean()), len(said.lengths)))


def bandwidth_gain(evidence: Evidence, about: About) -> PerSeed:
    """Fit a line to accuracy@k over log2 of the bits of a message; return what it gains from the fewest to the most.

    Only seeds that all the runs have count.
    """
    by_run = [evidence.metric(run, about.part, "accuracy@k") for run in about.runs]
    doublings = np.log2([float(evidence.games[run]["message_bits"]) for run in about.runs])
    images = evidence.images(about.runs[0], about.part)
    return {
        seed: Found(float(np.polyfit(doublings, [found[seed] for found in by_run], 1)[0] * np.ptp(doublings)), images)
        for seed in sorted(set.intersection(*(set(found) for found in by_run)))
    }


def accuracy_difference(evidence: Evidence, about: About) -> PerSeed:
    """Return the accuracy@k of one run less that of another with the same seed."""
    one, other = (evidence.metric(run, about.part, "accuracy@k") for run in (about.run, about.against))
    return _less(one, other, evidence.images(about.run, about.part))


def cost_of_flips(evidence: Evidence, about: About) -> PerSeed:
    """Return accuracy@1 with a quarter of the bits of the Sender's messages flipped, less that of messages as they are.

    The number of flipped bits is the power of two next below a quarter of the width, or one.
    """
    bits = int(evidence.games[about.run]["message_bits"])
    count = 2 ** max(0, (bits // 4).bit_length() - 1)
    flipped = evidence.intervention(about.run, about.part, "flipped_bits", count, "accuracy@1")
    return _less(flipped, _undisturbed(evidence, about), evidence.images(about.run, about.part))


def worth_of_questions(evidence: Evidence, about: About) -> PerSeed:
    """Return accuracy@1 where the Sender hears the questions about other images, less that with its own."""
    others = evidence.intervention(about.run, about.part, "all_questions", None, "accuracy@1")
    return _less(others, _undisturbed(evidence, about), evidence.images(about.run, about.part))


def _undisturbed(evidence: Evidence, about: About) -> dict[int, float]:
    return evidence.intervention(about.run, about.part, "none", None, "accuracy@1")


def _of_conversations(evidence: Evidence, about: About, of: Callable[[Conversations], Found | None]) -> PerSeed:
    found = {seed: of(said) for seed, said in evidence.conversations(about.run, about.part).items()}
    return {seed: one for seed, one in found.items() if one is not None}


def _less(first: dict[int, float], second: dict[int, float], cases: int) -> PerSeed:
    return {seed: Found(first[seed] - second[seed], cases) for seed in sorted(first.keys() & second.keys())}


def _change(values: Floats, last: NDArray[np.int64]) -> Found | None:
    """Average, over the conversations with two exchanges that count, the value at the last of them less the first.

    Within each conversation: means over whoever still talks would change because the easy ones have left.

    Parameters
    ----------
    values
        At each exchange [N, T].
    last
        The last exchange that counts, from 1 [N].
    """
    rows = np.flatnonzero(last >= 2)
    if len(rows) < FEWEST_CASES:
        return None
    return Found(float((values[rows, last[rows] - 1] - values[rows, 0]).mean()), len(rows))
