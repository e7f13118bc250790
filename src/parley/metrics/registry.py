"""List of the metrics of language.csv. The functions that compute the metrics are in other modules.

To add a metric, write its function, add an entry to `LANGUAGE_METRICS`, and call the function in
`parley.metrics.language`. language.json and language.csv list the metrics in the same order. This module imports
nothing from Parley, so a change to a metric's function reruns only the stages that use the function.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple


class Metric(NamedTuple):
    """A metric of language.csv."""

    name: str
    """Name of the metric in language.json and language.csv."""
    unit: str
    label: str
    """Name of the metric in the report."""
    doc: str
    """Definition of the metric in one line."""
    permutation_tested: bool = False
    """Whether the metric has a null distribution from permutations, and therefore a p-value."""
    less_is_better: bool = False
    """Whether low values of the metric are better than high values."""
    report_row: int | None = None
    """Position of the metric in the report's table; None if the metric is only in language.csv."""


LANGUAGE_METRICS = (
    Metric(
        "accuracy@1",
        "fraction",
        "Accuracy@1",
        "Fraction of images whose true class has the highest score.",
        permutation_tested=True,
        report_row=1,
    ),
    Metric(
        "accuracy@k",
        "fraction",
        "Accuracy@k",
        "Fraction of images whose true class is among the k highest scores.",
        permutation_tested=True,
    ),
    Metric(
        "macro_f1",
        "fraction",
        "Macro F1",
        "Mean F1 over the classes that have dialogues.",
        permutation_tested=True,
        report_row=2,
    ),
    Metric(
        "information_gained",
        "bits",
        "Information gained by the Receiver about the class (bits)",
        "Mean log2 ratio of the Receiver's final probability of the true class to that of a uniform guess.",
        report_row=5,
    ),
    Metric(
        "stop_calibration_error",
        "fraction",
        "Calibration error of stopping",
        "Expected calibration error of the stop probability as a prediction of a correct answer.",
        permutation_tested=True,
        less_is_better=True,
        report_row=14,
    ),
    Metric(
        "stop_brier",
        "fraction",
        "Brier score of stopping",
        "Brier score of the stop probability as a prediction of a correct answer.",
        permutation_tested=True,
        less_is_better=True,
    ),
    Metric(
        "distinct_messages",
        "fraction",
        "Distinct messages / images",
        "Number of distinct messages divided by the number of dialogues.",
        report_row=12,
    ),
    Metric("message_entropy", "bits", "Entropy of the messages (bits)", "Plug-in entropy of the messages."),
    Metric("class_entropy", "bits", "Entropy of the classes (bits)", "Plug-in entropy of the classes."),
    Metric(
        "information",
        "bits",
        "Mutual information of message and class, uncorrected (bits)",
        "Plug-in mutual information of message and class; biased upwards, the more so the more messages are distinct.",
        permutation_tested=True,
        report_row=3,
    ),
    Metric(
        "information_corrected",
        "bits",
        "Mutual information, corrected for chance (bits)",
        "Plug-in mutual information of message and class, minus its mean over permuted labels.",
        report_row=4,
    ),
    Metric(
        "dead_bits",
        "bits",
        "Bits that never change",
        "Number of bits that are the same in all messages.",
        report_row=13,
    ),
    Metric(
        "topographic_similarity",
        "Spearman's rho",
        "Topographic similarity, to descriptions",
        "Rank correlation of message distance with the cosine distance of the descriptions, over pairs of dialogues.",
        permutation_tested=True,
        report_row=6,
    ),
    Metric(
        "topographic_similarity_attributes",
        "Spearman's rho",
        "Topographic similarity, to attributes",
        "Correlation of message distance with the fraction of attributes that differ, over pairs of dialogues.",
        permutation_tested=True,
        report_row=7,
    ),
    Metric(
        "topographic_similarity_features",
        "Spearman's rho",
        "Topographic similarity, to image features",
        "Rank correlation of message distance with the cosine distance of the image features, over pairs of dialogues.",
        permutation_tested=True,
        report_row=8,
    ),
    Metric(
        "positional_disentanglement",
        "fraction",
        "Positional disentanglement, of attributes",
        "How much each bit encodes a single attribute of the class.",
        permutation_tested=True,
        report_row=9,
    ),
    Metric(
        "bag_of_symbols_disentanglement",
        "fraction",
        "Bag-of-symbols disentanglement, of attributes",
        "How much the number of ones encodes a single attribute of the class.",
        permutation_tested=True,
        report_row=10,
    ),
    Metric(
        "context_independence",
        "fraction",
        "Context independence",
        "How far each class has a bit of its own.",
        permutation_tested=True,
        report_row=11,
    ),
)


def in_report(metrics: Iterable[Metric]) -> list[Metric]:
    """Return the metrics that are in the report's table, in its order; of two with the same row, the first is first."""
    return sorted((one for one in metrics if one.report_row is not None), key=lambda one: one.report_row or 0)


UNITS = {metric.name: metric.unit for metric in LANGUAGE_METRICS}
"""Unit of each metric, in the order of language.csv."""
PERMUTATION_TESTED = tuple(metric.name for metric in LANGUAGE_METRICS if metric.permutation_tested)
LESS_IS_BETTER = frozenset(metric.name for metric in LANGUAGE_METRICS if metric.less_is_better)
EVALUATION_UNITS = {
    "accuracy@1": "fraction",
    "accuracy@k": "fraction",
    "nll": "nats",
    "length": "exchanges",
    "length_original": "go-on bits",
    "hamming_sender": "bits",
    "hamming_receiver": "bits",
}
"""Unit of each metric in an evaluation.json."""
OPTIONAL = frozenset(["hamming_sender", "hamming_receiver"])
"""Metrics that are null in an evaluation.json if no dialogue has a second exchange."""
LIMITS = {
    "fraction": (0.0, 1.0),
    "Spearman's rho": (-1.0, 1.0),
    "nats": (0.0, math.inf),
    "exchanges": (0.0, math.inf),
    "go-on bits": (0.0, math.inf),
}
"""Smallest and largest possible value of a metric, by unit. Metrics in other units have no limits."""
EXCHANGE_UNITS = {
    "information_gained": "bits",
    "information_corrected": "bits",
    "hamming_sender": "bits",
    "hamming_receiver": "bits",
}
"""Unit of each metric that is computed separately for each exchange."""
