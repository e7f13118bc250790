"""What each claim is measured by: one number a seed.

Every function takes the evidence and what a claim of the config is about, and returns the numbers of the seeds that
have one: a seed that failed, or in which nothing varies that could be correlated, has none.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.claims.evidence import Evidence
from parley.errors import ParleyError
from parley.metrics.classes import class_means
from parley.metrics.conversations import Conversations
from parley.metrics.correlation import correlation
from parley.metrics.entropy import message_entropy_bits, prediction_entropy_bits
from parley.metrics.ranking import Floats, hits

PerSeed = dict[int, float]


class About(NamedTuple):
    """What a claim of the config is about."""

    part: str
    run: str = ""
    against: str = ""
    """The run that `run` is compared with."""
    runs: tuple[str, ...] = ()
    """Runs that differ in the width of their messages."""


Measure = Callable[[Evidence, About], PerSeed]


def length_with_difficulty(evidence: Evidence, about: About) -> PerSeed:
    """Correlate the mean length of a class's conversations with the F1 that a linear classifier has of it."""
    f1 = evidence.difficulty.get(about.part)
    if f1 is None:
        raise ParleyError(
            f"No linear classifier was tested on the part {about.part}; claim length_with_difficulty on test."
        )

    def of(said: Conversations) -> float | None:
        lengths = class_means(said.lengths, said.targets, len(said.labels))
        return _r(lengths, np.array([f1.get(label, np.nan) for label in said.labels]))

    return _of_conversations(evidence, about, of)


def length_with_accuracy(evidence: Evidence, about: About) -> PerSeed:
    """Correlate the length of conversations with whether the answer is right."""

    def of(said: Conversations) -> float | None:
        return _r(said.lengths.astype(np.float64), hits(said.final_scores, said.targets, 1))

    return _of_conversations(evidence, about, of)


def receiver_entropy_change(evidence: Evidence, about: About) -> PerSeed:
    """Return the entropy of the last question that got an answer less that of the first, in bits.

    Conversations of three exchanges and more have two such questions; what is asked at the last one reaches nobody.
    """

    def of(said: Conversations) -> float | None:
        return _change(message_entropy_bits(said.receiver_values), said.lengths - 1) if said.binary else None

    return _of_conversations(evidence, about, of)


def sender_entropy_change(evidence: Evidence, about: About) -> PerSeed:
    """Return the entropy of the Sender's last message less that of its first, of two exchanges and more, in bits."""

    def of(said: Conversations) -> float | None:
        return _change(message_entropy_bits(said.sender_values), said.lengths) if said.binary else None

    return _of_conversations(evidence, about, of)


def prediction_entropy_change(evidence: Evidence, about: About) -> PerSeed:
    """Return the entropy of the last prediction less that of the first, of two exchanges and more, in bits."""

    def of(said: Conversations) -> float | None:
        return _change(prediction_entropy_bits(said.scores), said.lengths)

    return _of_conversations(evidence, about, of)


def one_exchange(evidence: Evidence, about: About) -> PerSeed:
    """Return the fraction of conversations that stop after one exchange."""
    return _of_conversations(evidence, about, lambda said: float((said.lengths == 1).mean()))


def bandwidth_slope(evidence: Evidence, about: About) -> PerSeed:
    """Fit a line to accuracy@k over log2 of the bits of a message; return what a doubling adds.

    Only seeds that all the runs have count.
    """
    by_run = [evidence.metric(run, about.part, "accuracy@k") for run in about.runs]
    doublings = np.log2([float(evidence.games[run]["message_bits"]) for run in about.runs])
    if len(set(doublings)) < 2:
        raise ParleyError(
            f"The runs {', '.join(about.runs)} have messages of the same width; name runs that differ in it."
        )
    seeds = set.intersection(*(set(found) for found in by_run))
    return {seed: float(np.polyfit(doublings, [found[seed] for found in by_run], 1)[0]) for seed in sorted(seeds)}


def accuracy_difference(evidence: Evidence, about: About) -> PerSeed:
    """Return the accuracy@k of one run less that of another with the same seed."""
    return _less(*(evidence.metric(run, about.part, "accuracy@k") for run in (about.run, about.against)))


def cost_of_flips(evidence: Evidence, about: About) -> PerSeed:
    """Return accuracy@1 with a quarter of the bits of the Sender's messages flipped, less that of messages as they are.

    The number of flipped bits is the power of two next below a quarter of the width, or one.
    """
    bits = int(evidence.games[about.run]["message_bits"])
    count = 2 ** max(0, (bits // 4).bit_length() - 1)
    flipped = evidence.intervention(about.run, about.part, "flipped_bits", count, "accuracy@1")
    return _less(flipped, evidence.intervention(about.run, about.part, "none", None, "accuracy@1"))


def worth_of_questions(evidence: Evidence, about: About) -> PerSeed:
    """Return accuracy@1 where the Sender hears the questions about other images, less that with its own."""
    others = evidence.intervention(about.run, about.part, "all_questions", None, "accuracy@1")
    return _less(others, evidence.intervention(about.run, about.part, "none", None, "accuracy@1"))


def _of_conversations(evidence: Evidence, about: About, of: Callable[[Conversations], float | None]) -> PerSeed:
    found = {seed: of(said) for seed, said in evidence.conversations(about.run, about.part).items()}
    return {seed: value for seed, value in found.items() if value is not None}


def _less(first: Mapping[int, float], second: Mapping[int, float]) -> PerSeed:
    return {seed: first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())}


def _r(one: Floats, other: Floats) -> float | None:
    found = correlation(one, other)
    return None if found is None else found.r


def _change(values: Floats, last: NDArray[np.int64]) -> float | None:
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
    if not len(rows):
        return None
    return float((values[rows, last[rows] - 1] - values[rows, 0]).mean())
