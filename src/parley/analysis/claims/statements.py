"""The claims that can be tested, each with its quantity and its expectation.

Sources: "paper" is Evtimova et al. (2018), for a direction and not for a number; "code" is the behaviour of the 2017
code; "ours" is a further question about the game.
"""

from typing import NamedTuple

from parley.analysis.claims import correlations, measures
from parley.analysis.claims.correlations import PairsBySeed
from parley.analysis.claims.measures import Measure
from parley.analysis.claims.verdicts import Expectation


class Claim(NamedTuple):
    """A testable statement about the game."""

    statement: str
    measured: str
    unit: str
    expected: Expectation
    source: str
    measure: Measure | None = None
    """Function that returns a value for each seed; None if there are `pairs`."""
    pairs: PairsBySeed | None = None
    """Function that returns the two quantities to correlate, for a claim about a correlation."""


CLAIMS: dict[str, Claim] = {
    "length_with_difficulty": Claim(
        "Harder classes are talked about longer",
        "correlation over classes of mean length with the F1 of a linear classifier on the same features",
        "Pearson's r",
        Expectation("below"),
        "paper",
        pairs=correlations.length_and_difficulty,
    ),
    "length_with_accuracy": Claim(
        "Shorter conversations are more accurate",
        "correlation over images of length with a right answer",
        "Pearson's r",
        Expectation("below"),
        "paper",
        pairs=correlations.length_and_accuracy,
    ),
    "receiver_entropy_change": Claim(
        "Over a conversation the Receiver's messages become more certain",
        "entropy of its last answered message less that of its first",
        "bits",
        Expectation("below"),
        "paper",
        measures.receiver_entropy_change,
    ),
    "sender_entropy_change": Claim(
        "Over a conversation the Sender's messages become less certain",
        "entropy of its last message less that of its first",
        "bits",
        Expectation("above"),
        "paper",
        measures.sender_entropy_change,
    ),
    "prediction_entropy_change": Claim(
        "Over a conversation predictions become more certain",
        "entropy of the last prediction less that of the first",
        "bits",
        Expectation("below"),
        "paper",
        measures.prediction_entropy_change,
    ),
    "bandwidth_helps": Claim(
        "Wider messages name unseen classes better",
        "accuracy@k gained from the fewest bits to the most, by a line over their logarithm",
        "fraction",
        Expectation("above"),
        "paper",
        measures.bandwidth_gain,
    ),
    "bandwidth_is_indifferent": Claim(
        "Wider messages name seen classes no better",
        "accuracy@k gained from the fewest bits to the most, by a line over their logarithm",
        "fraction",
        Expectation("within", 0.05),
        "paper",
        measures.bandwidth_gain,
    ),
    "words_help_transfer": Claim(
        "Attention to the words of descriptions names classes of another kind better",
        "accuracy@k with it less that without",
        "fraction",
        Expectation("above"),
        "paper",
        measures.accuracy_difference,
    ),
    "words_help": Claim(
        "Attention to the words of descriptions names classes better",
        "accuracy@k with it less that without",
        "fraction",
        Expectation("above"),
        "ours",
        measures.accuracy_difference,
    ),
    "cells_help": Claim(
        "Attention to the cells of the image names classes better",
        "accuracy@k with it less that without",
        "fraction",
        Expectation("above"),
        "ours",
        measures.accuracy_difference,
    ),
    "stopping_costs_nothing": Claim(
        "A Receiver that decides when to stop is as accurate as one that always uses all exchanges",
        "accuracy@k where it decides less that where it does not",
        "fraction",
        Expectation("within", 0.05),
        "ours",
        measures.accuracy_difference,
    ),
    "frozen_sender_lags": Claim(
        "A Receiver that learns to read a random Sender lags behind",
        "accuracy@k with a frozen Sender less that with one that learns",
        "fraction",
        Expectation("below"),
        "paper",
        measures.accuracy_difference,
    ),
    "flips_cost": Claim(
        "Flipped bits cost accuracy",
        "accuracy@1 with a quarter of the Sender's bits flipped less that without",
        "fraction",
        Expectation("below"),
        "ours",
        measures.cost_of_flips,
    ),
    "questions_matter": Claim(
        "What the Receiver asks makes a difference",
        "accuracy@1 with the questions about another image less that with its own",
        "fraction",
        Expectation("below"),
        "ours",
        measures.worth_of_questions,
    ),
    "stops_at_once": Claim(
        "Conversations collapse into one exchange",
        "fraction of them that stop after one",
        "fraction",
        Expectation("above", 0.9),
        "code",
        measures.one_exchange,
    ),
}
"""Every claim by its name in the config; `entries.NEEDED` says which runs each has to name."""
