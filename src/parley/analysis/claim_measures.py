"""Compute the values that test each claim about the game: one value per seed, or two quantities to correlate."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.core.files import read_json
from parley.core.tables import read_csv
from parley.metrics.agreement import unit_vector
from parley.metrics.classification import class_means
from parley.metrics.conversations import Conversations, read_conversations
from parley.metrics.exchanges import Floats, hits
from parley.metrics.information import message_entropy_bits, prediction_entropy_bits
from parley.metrics.records import finite_by_seed, owner_of, part_of
from parley.metrics.statistics import correlation

BySeed = dict[int, Any]


@dataclass(frozen=True)
class Evidence:
    """Results of one experiment, on which claims are tested. Message files are read on demand.

    Attributes
    ----------
    games
        Game settings, by run.
    evaluations, interventions
        Contents of `evaluation.json` and `interventions.json`, by run and seed.
    messages
        Paths of the message files, by run and split, and then by seed.
    difficulty
        F1 of each class, by split and class, from a linear classifier on the frozen features.
    """

    games: Mapping[str, Mapping[str, Any]]
    evaluations: Mapping[str, BySeed]
    interventions: Mapping[str, BySeed]
    messages: Mapping[tuple[str, str], Mapping[int, Path]]
    difficulty: Mapping[str, Mapping[str, float]]
    _held: dict[tuple[str, str], dict[int, Conversations]] = field(default_factory=dict, repr=False)

    def conversations(self, run: str, part: str) -> dict[int, Conversations]:
        """Return a run's dialogues on a split, by seed. Seeds that failed or have non-finite values are skipped."""
        if (run, part) not in self._held:
            # Cache only the latest run and split, because the dialogues of all runs would not fit in memory.
            self._held.clear()
            paths = self.messages.get((run, part), {})
            read = {seed: read_conversations(path) for seed, path in sorted(paths.items())}
            self._held[run, part] = {seed: dialogues for seed, dialogues in read.items() if dialogues.finite}
        return self._held[run, part]

    def metric(self, run: str, part: str, metric: str) -> dict[int, float]:
        """Return a metric in `evaluation.json`, by seed. Seeds without a finite value are skipped."""
        return finite_by_seed({seed: one["parts"] for seed, one in self._of(run)}, part, metric)

    def images(self, run: str, part: str) -> int:
        """Return the number of images of a split on which a run was evaluated; 0 if no seed was evaluated on it."""
        return max((int(one["parts"].get(part, {}).get("n", 0)) for _, one in self._of(run)), default=0)

    def _of(self, run: str) -> Iterable[tuple[int, Any]]:
        return sorted(self.evaluations.get(run, {}).items())

    def intervention(self, run: str, part: str, name: str, value: int | None, metric: str) -> dict[int, float]:
        """Return a metric measured under an intervention, by seed. Seeds without a value are skipped.

        `value` is the parameter of the intervention, such as the number of flipped bits; None if it has no parameter.
        """
        found = {}
        for seed, one in self.interventions.get(run, {}).items():
            for row in one["parts"].get(part, {}).get("rows", []):
                if (row["intervention"], row["value"]) == (name, value) and row["measures"].get(metric) is not None:
                    found[seed] = row["measures"][metric]
        return found


def read_evidence(
    games: Mapping[str, Mapping[str, Any]],
    evaluations: Sequence[str | Path],
    interventions: Sequence[str | Path],
    messages: Sequence[str | Path],
    difficulty: str | Path | None,
) -> Evidence:
    """Read the results on which claims are tested. The files are those of successful runs, in any order.

    Parameters
    ----------
    games
        Game settings, by run.
    evaluations, interventions
        Paths of `evaluation.json` and `interventions.json` files.
    messages
        Paths of message files, `messages.hdf5` and `messages.<part>.hdf5`.
    difficulty
        Path of `difficulty.csv`; None if no claim needs it.
    """
    conversations: dict[tuple[str, str], dict[int, Path]] = {}
    for path in map(Path, messages):
        run, seed = owner_of(path)
        conversations.setdefault((run, part_of(path)), {})[seed] = path
    classes: dict[str, dict[str, float]] = {}
    for row in read_csv(difficulty) if difficulty is not None else []:
        if row["f1"]:
            classes.setdefault(row["part"], {})[row["class"]] = float(row["f1"])
    return Evidence(games, _by_run(evaluations), _by_run(interventions), conversations, classes)


def _by_run(paths: Sequence[str | Path]) -> dict[str, BySeed]:
    found: dict[str, BySeed] = {}
    for path in paths:
        one = read_json(path)
        found.setdefault(one["run"], {})[one["seed"]] = one
    return found


FEWEST_CASES = 10
"""Minimum number of dialogues from which a mean change is computed. A seed with fewer dialogues has no value."""


class Value(NamedTuple):
    """The value of one seed, and the number of cases (images or classes) from which it is computed."""

    value: float
    cases: int


PerSeed = dict[int, Value]


class Scope(NamedTuple):
    """The split and the runs on which a claim is tested, from an entry of the config's section `claims`."""

    part: str
    run: str = ""
    against: str = ""
    """The run that `run` is compared with; empty if the claim is not about two runs."""
    runs: tuple[str, ...] = ()
    """Runs that differ in the number of bits per message; empty for other claims."""


Measure = Callable[[Evidence, Scope], PerSeed]


def _by_seed(of: Callable[[Conversations], Value | None]) -> Measure:
    """Decorate a function of one seed's dialogues so that it returns the values of all seeds of a run on a split."""

    @wraps(of)
    def measure(evidence: Evidence, scope: Scope) -> PerSeed:
        found = {seed: of(dialogues) for seed, dialogues in evidence.conversations(scope.run, scope.part).items()}
        return {seed: one for seed, one in found.items() if one is not None}

    return measure


@_by_seed
def receiver_entropy_change(dialogues: Conversations) -> Value | None:
    """Return the mean change in entropy, in bits, from the Receiver's first message to its last answered message.

    The Receiver's last message is not answered, so dialogues with fewer than three exchanges are ignored. Seeds
    with continuous messages have no value.
    """
    if not dialogues.binary:
        return None
    return _change(message_entropy_bits(dialogues.receiver_values), dialogues.lengths - 1)


@_by_seed
def sender_entropy_change(dialogues: Conversations) -> Value | None:
    """Return the mean change in entropy, in bits, from the Sender's first message to its last message.

    Dialogues of one exchange are ignored. Seeds with continuous messages have no value.
    """
    return _change(message_entropy_bits(dialogues.sender_values), dialogues.lengths) if dialogues.binary else None


@_by_seed
def prediction_entropy_change(dialogues: Conversations) -> Value | None:
    """Return the mean change in the entropy of the predictions, in bits, from the first to the last exchange.

    Dialogues of one exchange are ignored.
    """
    return _change(prediction_entropy_bits(dialogues.scores), dialogues.lengths)


@_by_seed
def one_exchange(dialogues: Conversations) -> Value | None:
    """Return the fraction of dialogues that stop after one exchange."""
    return Value(float((dialogues.lengths == 1).mean()), len(dialogues.lengths))


@_by_seed
def gain_after_first(dialogues: Conversations) -> Value | None:
    """Return the accuracy@1 at the last exchange of each dialogue minus that at the first."""
    first = hits(dialogues.scores[:, 0], dialogues.targets, 1)
    gained = hits(dialogues.final_scores, dialogues.targets, 1) - first
    return Value(float(gained.mean()), len(gained))


def bandwidth_gain(evidence: Evidence, scope: Scope) -> PerSeed:
    """Return the gain in accuracy@k from the smallest to the largest number of message bits.

    The gain is computed from a linear fit of accuracy@k to log2 of the number of bits. Only seeds that all runs have
    are included.
    """
    by_run = [evidence.metric(run, scope.part, "accuracy@k") for run in scope.runs]
    doublings = np.log2([float(evidence.games[run]["message_bits"]) for run in scope.runs])
    images = evidence.images(scope.runs[0], scope.part)
    return {
        seed: Value(float(np.polyfit(doublings, [found[seed] for found in by_run], 1)[0] * np.ptp(doublings)), images)
        for seed in sorted(set.intersection(*(set(found) for found in by_run)))
    }


def accuracy_difference(evidence: Evidence, scope: Scope) -> PerSeed:
    """Return the accuracy@k of `scope.run` minus the accuracy@k of `scope.against`, for each seed that both have."""
    return _difference(evidence, scope, "accuracy@k")


def first_answer_difference(evidence: Evidence, scope: Scope) -> PerSeed:
    """Return the accuracy@1 of `scope.run` minus the accuracy@1 of `scope.against`, for each seed that both have."""
    return _difference(evidence, scope, "accuracy@1")


def _difference(evidence: Evidence, scope: Scope, metric: str) -> PerSeed:
    one, other = (evidence.metric(run, scope.part, metric) for run in (scope.run, scope.against))
    return _less(one, other, evidence.images(scope.run, scope.part))


def cost_of_flips(evidence: Evidence, scope: Scope) -> PerSeed:
    """Return accuracy@1 with flipped bits in the Sender's messages, minus accuracy@1 without intervention.

    The number of flipped bits is the largest power of two up to a quarter of the bits per message, and at least one.
    """
    bits = int(evidence.games[scope.run]["message_bits"])
    count = 2 ** max(0, (bits // 4).bit_length() - 1)
    return _effect(evidence, scope, "flipped_bits", count)


def worth_of_questions(evidence: Evidence, scope: Scope) -> PerSeed:
    """Return accuracy@1 with the Receiver's messages swapped between images, minus accuracy@1 without intervention."""
    return _effect(evidence, scope, "all_questions", None)


def _effect(evidence: Evidence, scope: Scope, name: str, value: int | None) -> PerSeed:
    changed = evidence.intervention(scope.run, scope.part, name, value, "accuracy@1")
    undisturbed = evidence.intervention(scope.run, scope.part, "none", None, "accuracy@1")
    return _less(changed, undisturbed, evidence.images(scope.run, scope.part))


def _less(first: dict[int, float], second: dict[int, float], cases: int) -> PerSeed:
    return {seed: Value(first[seed] - second[seed], cases) for seed in sorted(first.keys() & second.keys())}


def _change(values: Floats, last: NDArray[np.int64]) -> Value | None:
    """Return the mean change of a value within a dialogue, from the first exchange to the exchange `last`.

    Dialogues whose `last` is 1 or 0 are ignored. The result is None if fewer than `FEWEST_CASES` dialogues remain. The
    change is computed within dialogues, because means over unfinished dialogues also change when easy ones end early.

    Parameters
    ----------
    values
        Value of each dialogue at each exchange. Shape [N, T].
    last
        Last exchange to consider in each dialogue, counted from 1. Shape [N].
    """
    rows = np.flatnonzero(last >= 2)
    if len(rows) < FEWEST_CASES:
        return None
    return Value(float((values[rows, last[rows] - 1] - values[rows, 0]).mean()), len(rows))


ROUNDING = 1e-9
"""Correlations that differ by less than this are treated as equal, because the order of summation changes rounding."""


class Pairs(NamedTuple):
    """Two quantities of the same n images or classes, for one seed. If one quantity is unknown, both are NaN."""

    one: Floats
    """First quantity of each image or class. Shape [n]."""
    other: Floats
    """Second quantity of each image or class. Shape [n]."""


PairsBySeed = Callable[[Evidence, Scope], dict[int, Pairs]]


def length_and_difficulty(evidence: Evidence, scope: Scope) -> dict[int, Pairs]:
    """Return, for each class, the mean length of its dialogues and the F1 of a linear classifier."""
    f1 = evidence.difficulty.get(scope.part, {})

    def of(dialogues: Conversations) -> Pairs:
        lengths = class_means(dialogues.lengths, dialogues.targets, len(dialogues.labels))
        known = np.array([f1.get(label, np.nan) for label in dialogues.labels])
        return Pairs(lengths + 0 * known, known + 0 * lengths)

    return {seed: of(dialogues) for seed, dialogues in evidence.conversations(scope.run, scope.part).items()}


def length_and_accuracy(evidence: Evidence, scope: Scope) -> dict[int, Pairs]:
    """Return the length and the accuracy@1 of each dialogue, sorted by image key."""

    def of(dialogues: Conversations) -> Pairs:
        order = np.argsort(dialogues.keys)
        right = hits(dialogues.final_scores, dialogues.targets, 1)
        return Pairs(dialogues.lengths[order].astype(np.float64), right[order])

    return {seed: of(dialogues) for seed, dialogues in evidence.conversations(scope.run, scope.part).items()}


def correlations(pairs: dict[int, Pairs]) -> PerSeed:
    """Return Pearson's r of each seed. Seeds are skipped if they have fewer than four cases or a constant quantity."""
    found = {seed: correlation(*both) for seed, both in pairs.items()}
    return {seed: Value(one.r, one.n) for seed, one in found.items() if one is not None}


def permutation_p(pairs: dict[int, Pairs], permutations: int, generator: np.random.Generator) -> float | None:
    """Return the two-sided permutation p-value of the mean correlation over seeds.

    The second quantity is permuted over the cases, in the same way for all seeds. The observed value is included as
    one permutation (Phipson and Smyth, 2010).

    Parameters
    ----------
    pairs
        The two quantities of each seed, with the cases in the same order.
    permutations
        Number of permutations P.
    generator
        Random number generator for the permutations. The same state gives the same p-value.

    Returns
    -------
    float | None
        The p-value; None if no seed has a correlation, or if the cases with known values differ between seeds.
    """
    kept = [pairs[seed] for seed in correlations(pairs)]
    known = [np.isfinite(both.one) for both in kept]
    if not kept or any(not np.array_equal(one, known[0]) for one in known):
        return None
    fixed = np.array([unit_vector(both.one[known[0]]) for both in kept])
    moved = np.array([unit_vector(both.other[known[0]]) for both in kept])
    value = float((fixed * moved).sum(axis=1).mean())
    orders = (generator.permutation(fixed.shape[1]) for _ in range(permutations))
    null = np.array([(fixed * moved[:, order]).sum(axis=1).mean() for order in orders])
    return float((1 + (np.abs(null) >= abs(value) - ROUNDING).sum()) / (1 + permutations))
