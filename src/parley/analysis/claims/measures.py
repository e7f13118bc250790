"""The quantity that tests each claim: one value per seed.

Every function takes the evidence and the runs and split of a claim, and returns the values of the seeds that have one.
A failed seed has none.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.analysis.claims.evidence import Evidence
from parley.metrics.conversations import Conversations
from parley.metrics.exchanges import Floats
from parley.metrics.information import message_entropy_bits, prediction_entropy_bits

FEWEST_CASES = 10
"""Minimum number of dialogues for a mean."""


class Found(NamedTuple):
    """The value of a seed, and its number of cases."""

    value: float
    cases: int


PerSeed = dict[int, Found]


class About(NamedTuple):
    """The split and runs of a claim in the config."""

    part: str
    run: str = ""
    against: str = ""
    """The run that `run` is compared with."""
    runs: tuple[str, ...] = ()
    """Runs that differ in the width of their messages."""


Measure = Callable[[Evidence, About], PerSeed]


def receiver_entropy_change(evidence: Evidence, about: About) -> PerSeed:
    """Return the entropy of the Receiver's last message that was answered minus that of its first, in bits.

    Only dialogues of at least three exchanges have two such messages; the message of the last exchange is not answered.
    """

    def of(dialogues: Conversations) -> Found | None:
        return (
            _change(message_entropy_bits(dialogues.receiver_values), dialogues.lengths - 1)
            if dialogues.binary
            else None
        )

    return _of_conversations(evidence, about, of)


def sender_entropy_change(evidence: Evidence, about: About) -> PerSeed:
    """Return the entropy of the Sender's last message minus that of its first, in bits; at least two exchanges."""

    def of(dialogues: Conversations) -> Found | None:
        return _change(message_entropy_bits(dialogues.sender_values), dialogues.lengths) if dialogues.binary else None

    return _of_conversations(evidence, about, of)


def prediction_entropy_change(evidence: Evidence, about: About) -> PerSeed:
    """Return the entropy of the last prediction minus that of the first, in bits; at least two exchanges."""

    def of(dialogues: Conversations) -> Found | None:
        return _change(prediction_entropy_bits(dialogues.scores), dialogues.lengths)

    return _of_conversations(evidence, about, of)


def one_exchange(evidence: Evidence, about: About) -> PerSeed:
    """Return the fraction of dialogues that stop after one exchange."""
    return _of_conversations(
        evidence, about, lambda dialogues: Found(float((dialogues.lengths == 1).mean()), len(dialogues.lengths))
    )


def bandwidth_gain(evidence: Evidence, about: About) -> PerSeed:
    """Return the gain in accuracy@k from the fewest to the most message bits, by a linear fit over log2 of the bits.

    Only seeds that all runs have count.
    """
    by_run = [evidence.metric(run, about.part, "accuracy@k") for run in about.runs]
    doublings = np.log2([float(evidence.games[run]["message_bits"]) for run in about.runs])
    images = evidence.images(about.runs[0], about.part)
    return {
        seed: Found(float(np.polyfit(doublings, [found[seed] for found in by_run], 1)[0] * np.ptp(doublings)), images)
        for seed in sorted(set.intersection(*(set(found) for found in by_run)))
    }


def accuracy_difference(evidence: Evidence, about: About) -> PerSeed:
    """Return the accuracy@k of one run minus that of another with the same seed."""
    one, other = (evidence.metric(run, about.part, "accuracy@k") for run in (about.run, about.against))
    return _less(one, other, evidence.images(about.run, about.part))


def cost_of_flips(evidence: Evidence, about: About) -> PerSeed:
    """Return accuracy@1 with a quarter of the bits of the Sender's messages flipped, minus the undisturbed one.

    The number of flipped bits is the largest power of two up to a quarter of the width, at least one.
    """
    bits = int(evidence.games[about.run]["message_bits"])
    count = 2 ** max(0, (bits // 4).bit_length() - 1)
    flipped = evidence.intervention(about.run, about.part, "flipped_bits", count, "accuracy@1")
    return _less(flipped, _undisturbed(evidence, about), evidence.images(about.run, about.part))


def worth_of_questions(evidence: Evidence, about: About) -> PerSeed:
    """Return accuracy@1 if the Receiver's messages are swapped between images, minus the undisturbed one."""
    others = evidence.intervention(about.run, about.part, "all_questions", None, "accuracy@1")
    return _less(others, _undisturbed(evidence, about), evidence.images(about.run, about.part))


def _undisturbed(evidence: Evidence, about: About) -> dict[int, float]:
    return evidence.intervention(about.run, about.part, "none", None, "accuracy@1")


def _of_conversations(evidence: Evidence, about: About, of: Callable[[Conversations], Found | None]) -> PerSeed:
    found = {seed: of(dialogues) for seed, dialogues in evidence.conversations(about.run, about.part).items()}
    return {seed: one for seed, one in found.items() if one is not None}


def _less(first: dict[int, float], second: dict[int, float], cases: int) -> PerSeed:
    return {seed: Found(first[seed] - second[seed], cases) for seed in sorted(first.keys() & second.keys())}


def _change(values: Floats, last: NDArray[np.int64]) -> Found | None:
    """Average, over dialogues with at least two exchanges that count, the value at the last minus that at the first.

    The difference is within dialogues: means over active dialogues also change because easy dialogues end early.

    Parameters
    ----------
    values
        Values at each exchange [N, T].
    last
        The last exchange that counts, from 1 [N].
    """
    rows = np.flatnonzero(last >= 2)
    if len(rows) < FEWEST_CASES:
        return None
    return Found(float((values[rows, last[rows] - 1] - values[rows, 0]).mean()), len(rows))
