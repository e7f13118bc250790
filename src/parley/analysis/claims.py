"""Define claims (testable statements about the game), test them on an experiment, and write a table of verdicts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from parley.analysis import claim_measures
from parley.analysis.claim_measures import Evidence, Measure, PairsBySeed, PerSeed, Scope, correlations, permutation_p
from parley.core import markdown
from parley.core.files import write_json, write_text
from parley.core.formats import counted
from parley.core.tables import write_csv
from parley.metrics.statistics import Interval, sign_flip_p, t_interval

LEVEL = 0.05
"""Significance level: p-values below it are significant."""
Verdict = Literal["agrees", "disagrees", "undecided"]


class Expectation(NamedTuple):
    """The expected range of a value: above `bound`, below `bound`, or between ``-bound`` and `bound`."""

    side: Literal["above", "below", "within"]
    bound: float = 0.0

    def __str__(self) -> str:
        return {"above": f"> {self.bound:g}", "below": f"< {self.bound:g}", "within": f"0 ± {self.bound:g}"}[self.side]


def judge(values: Sequence[float], expected: Expectation, p: float | None = None) -> tuple[Interval, Verdict]:
    """Return the mean over seeds with its 95 % t interval, and the verdict.

    The verdict is "agrees" if the interval lies inside the expected range, "disagrees" if it lies outside, and
    "undecided" if it contains an end of the range. With fewer than two seeds, there is no interval, and the verdict is
    "undecided". For the claim that a value is near 0, a difference that is not significant does not suffice: the
    interval must lie within the bounds (Schuirmann, 1987, "A comparison of the two one-sided tests procedure"). `p` is
    the p-value of a permutation test over cases (images or classes). If it is 0.05 or more, the verdict is "undecided",
    because all seeds share the same cases, so that the interval over seeds does not include their variation.
    """
    over = t_interval(values)
    if over.low is None or over.high is None or (p is not None and p >= LEVEL):
        return over, "undecided"
    low, high = {
        "above": (expected.bound, float("inf")),
        "below": (-float("inf"), expected.bound),
        "within": (-expected.bound, expected.bound),
    }[expected.side]
    if low < over.low and over.high < high:
        return over, "agrees"
    return over, "disagrees" if over.high < low or high < over.low else "undecided"


class Claim(NamedTuple):
    """A statement about the game, the value that tests it, and the range in which this value is expected."""

    statement: str
    measured: str
    unit: str
    expected: Expectation
    source: str
    measure: Measure | None = None
    """Function that returns one value per seed; None if the claim is about a correlation."""
    pairs: PairsBySeed | None = None
    """Function that returns the two quantities to correlate; None if the claim has a `measure`."""


CLAIMS: dict[str, Claim] = {
    "length_with_difficulty": Claim(
        "Dialogues about harder classes are longer",
        "correlation, over classes, between mean length and the F1 of a linear classifier on the same features",
        "Pearson's r",
        Expectation("below"),
        "paper",
        pairs=claim_measures.length_and_difficulty,
    ),
    "length_with_accuracy": Claim(
        "Shorter dialogues are more accurate",
        "correlation, over images, between length and whether the answer is right",
        "Pearson's r",
        Expectation("below"),
        "paper",
        pairs=claim_measures.length_and_accuracy,
    ),
    "receiver_entropy_change": Claim(
        "The Receiver's messages become more certain during a dialogue",
        "entropy of the Receiver's last answered message minus that of its first message",
        "bits",
        Expectation("below"),
        "paper",
        claim_measures.receiver_entropy_change,
    ),
    "sender_entropy_change": Claim(
        "The Sender's messages become less certain during a dialogue",
        "entropy of the Sender's last message minus that of its first message",
        "bits",
        Expectation("above"),
        "paper",
        claim_measures.sender_entropy_change,
    ),
    "prediction_entropy_change": Claim(
        "Predictions become more certain during a dialogue",
        "entropy of the last prediction minus that of the first",
        "bits",
        Expectation("below"),
        "paper",
        claim_measures.prediction_entropy_change,
    ),
    "bandwidth_helps": Claim(
        "Messages with more bits improve accuracy on unseen classes",
        "gain in accuracy@k from the fewest to the most bits, by a linear fit to the logarithm of the number of bits",
        "fraction",
        Expectation("above"),
        "paper",
        claim_measures.bandwidth_gain,
    ),
    "bandwidth_is_indifferent": Claim(
        "Messages with more bits do not improve accuracy on seen classes",
        "gain in accuracy@k from the fewest to the most bits, by a linear fit to the logarithm of the number of bits",
        "fraction",
        Expectation("within", 0.05),
        "paper",
        claim_measures.bandwidth_gain,
    ),
    "words_help_transfer": Claim(
        "Attention to the words of descriptions improves accuracy on classes of another kind",
        "accuracy@k with attention minus accuracy@k without",
        "fraction",
        Expectation("above"),
        "paper",
        claim_measures.accuracy_difference,
    ),
    "words_help": Claim(
        "Attention to the words of descriptions improves accuracy",
        "accuracy@k with attention minus accuracy@k without",
        "fraction",
        Expectation("above"),
        "ours",
        claim_measures.accuracy_difference,
    ),
    "cells_help": Claim(
        "Attention to the cells of the image improves accuracy",
        "accuracy@k with attention minus accuracy@k without",
        "fraction",
        Expectation("above"),
        "ours",
        claim_measures.accuracy_difference,
    ),
    "stopping_costs_nothing": Claim(
        "A Receiver that decides when to stop is as accurate as one that always uses all exchanges",
        "accuracy@k if the Receiver decides minus accuracy@k if it does not",
        "fraction",
        Expectation("within", 0.05),
        "ours",
        claim_measures.accuracy_difference,
    ),
    "frozen_sender_lags": Claim(
        "A Receiver trained with a random, frozen Sender is less accurate",
        "accuracy@k with a frozen Sender minus accuracy@k with a trained one",
        "fraction",
        Expectation("below"),
        "paper",
        claim_measures.accuracy_difference,
    ),
    "flips_cost": Claim(
        "Flipped bits cost accuracy",
        "accuracy@1 with a quarter of the Sender's bits flipped minus accuracy@1 without flips",
        "fraction",
        Expectation("below"),
        "ours",
        claim_measures.cost_of_flips,
    ),
    "questions_matter": Claim(
        "The Receiver's messages affect accuracy",
        "accuracy@1 with the Receiver's messages about another image minus accuracy@1 with its own messages",
        "fraction",
        Expectation("below"),
        "ours",
        claim_measures.worth_of_questions,
    ),
    "questions_help": Claim(
        "Agents trained with the Receiver's messages are more accurate than agents trained without",
        "accuracy@1 of the run minus accuracy@1 of the run without the Receiver's messages",
        "fraction",
        Expectation("above"),
        "ours",
        claim_measures.first_answer_difference,
    ),
    "later_exchanges_help": Claim(
        "Exchanges after the first improve accuracy",
        "accuracy@1 at the last exchange minus accuracy@1 at the first",
        "fraction",
        Expectation("above"),
        "ours",
        claim_measures.gain_after_first,
    ),
    "stops_at_once": Claim(
        "Dialogues collapse to one exchange",
        "fraction of dialogues that stop after one exchange",
        "fraction",
        Expectation("above", 0.9),
        "code",
        claim_measures.one_exchange,
    ),
}
"""Every claim, by its name in the config. `parley.config.claim_entries.NEEDED` lists the keys that claims require."""


COLUMNS = (
    "claim", "statement", "source", "part", "runs", "measured", "unit", "expected", "mean", "sd", "low", "high",
    "n_seeds", "seeds_left_out", "cases", "null", "p", "verdict",
)  # fmt: skip
"""Columns of `claims.csv`. Cells of unknown values are empty."""
HEADER = ("Claim", "Measured by", "On", "Expected", "Outcome", "Verdict")
PERMUTATIONS = 10_000
"""Number of permutations of the images or classes, for claims about a correlation."""


def judge_claims(entries: Sequence[Mapping[str, Any]], evidence: Evidence, seeds: int) -> list[dict[str, Any]]:
    """Test the claims of a config.

    Parameters
    ----------
    entries
        Entries of the config's section `claims`. Except for ``claim``, their keys are the attributes of `Scope`.
    evidence
        The results of the experiment.
    seeds
        Number of seeds of each run. Seeds without a value are counted in ``seeds_left_out``.

    Returns
    -------
    list[dict[str, Any]]
        One row per entry, with the columns `COLUMNS`. ``cases`` is the number of images or classes from which a seed's
        value is computed (the smallest, if seeds differ). ``p`` is the two-sided p-value under the null hypothesis in
        the column ``null``, not corrected for multiple claims.
    """
    return [_row(entry, evidence, seeds) for entry in entries]


def _row(entry: Mapping[str, Any], evidence: Evidence, seeds: int) -> dict[str, Any]:
    claim = CLAIMS[entry["claim"]]
    scope = Scope(entry["part"], entry["run"] or "", entry["against"] or "", tuple(entry["runs"]))
    found, null, p = _weighed(claim, scope, evidence)
    values = [one.value for one in found.values()]
    over, verdict = judge(values, claim.expected, p if claim.pairs is not None else None)
    return {
        "claim": entry["claim"],
        "statement": claim.statement,
        "source": claim.source,
        "part": scope.part,
        "runs": _runs(scope),
        "measured": claim.measured,
        "unit": claim.unit,
        "expected": str(claim.expected),
        "mean": over.mean,
        "sd": over.sd,
        "low": over.low,
        "high": over.high,
        "n_seeds": over.n,
        "seeds_left_out": seeds - over.n,
        "cases": min((one.cases for one in found.values()), default=None),
        "null": null,
        "p": p,
        "verdict": verdict,
    }


def _weighed(claim: Claim, scope: Scope, evidence: Evidence) -> tuple[PerSeed, str | None, float | None]:
    """Return each seed's value, the null hypothesis and the two-sided p-value; the last two are None if not tested."""
    generator = np.random.default_rng(0)  # A fixed seed makes the p-values reproducible.
    if claim.pairs is not None:
        pairs = claim.pairs(evidence, scope)
        return correlations(pairs), "cases permuted, alike in all seeds", permutation_p(pairs, PERMUTATIONS, generator)
    assert claim.measure is not None  # A claim has either `measure` or `pairs`.
    found = claim.measure(evidence, scope)
    if claim.expected.side == "within" or len(found) < 2:
        return found, None, None
    apart = np.array([one.value for one in found.values()]) - claim.expected.bound
    return found, "signs of seeds flipped", sign_flip_p(apart, generator)


def _runs(scope: Scope) -> str:
    if scope.runs:
        return " ".join(scope.runs)
    return f"{scope.run} against {scope.against}" if scope.against else scope.run


def write_claims(rows: Sequence[Mapping[str, Any]], folder: str | Path) -> None:
    """Write `claims.csv`, `claims.json` and `claims.md` to a folder."""
    folder = Path(folder)
    write_csv(folder / "claims.csv", COLUMNS, rows)
    write_json(folder / "claims.json", {"rows": list(rows)})
    write_text(folder / "claims.md", "\n".join(as_markdown(rows)) + "\n")


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the rows of `judge_claims` as the lines of a Markdown table."""
    return markdown.table(HEADER, [_cells(row) for row in rows])


def _cells(row: Mapping[str, Any]) -> list[str]:
    on = f"{row['part']}: {row['runs']}"
    cells = (row["statement"], row["measured"], on, row["expected"], _outcome(row))
    return [*map(markdown.escaped, cells), f"**{row['verdict']}**"]


def _outcome(row: Mapping[str, Any]) -> str:
    """Format the mean, the interval, the number of seeds and the p-value of a row as text."""
    left = f", {row['seeds_left_out']} left out" if row["seeds_left_out"] else ""
    each = f", {row['cases']} cases each" if row["cases"] else ""
    seeds = f"{counted(row['n_seeds'], 'seed')}{left}{each}"
    if row["mean"] is None:
        return f"not measurable ({seeds})"
    unit = "" if row["unit"] in ("fraction", "Pearson's r") else f" {row['unit']}"
    between = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    p = "" if row["p"] is None else f", p = {row['p']:.2g}"
    return f"{row['mean']:.3f}{unit}{between} ({seeds}{p})"
