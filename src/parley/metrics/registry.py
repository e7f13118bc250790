"""The metrics of language.csv: one row of data each. The functions that compute them are in their own modules.

To add a metric, write its function, add a row here, and call the function in `parley.metrics.language`. The order of
the rows is the order of language.json and language.csv. This module imports nothing from Parley, so an edit of a
metric's function reruns only the stages that use the function.
"""

from typing import NamedTuple


class Metric(NamedTuple):
    """A metric of language.csv."""

    name: str
    """In language.json and language.csv."""
    unit: str
    label: str
    """Its name in the report."""
    doc: str
    """What it measures, in one line."""
    permutation_tested: bool = False
    """Whether it has a permutation null, and so a p-value."""
    less_is_better: bool = False
    """Which end of the null counts as better than chance."""
    report_row: int | None = None
    """Its position in the report's table; None if only language.csv has it."""


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
        "Mean F1 over the classes that occur.",
        permutation_tested=True,
        report_row=2,
    ),
    Metric(
        "information_gained",
        "bits",
        "The Receiver's gain in knowledge of the class (bits)",
        "log2 of the Receiver's final probability of the true class, minus that of a uniform guess.",
        report_row=5,
    ),
    Metric(
        "stop_calibration_error",
        "fraction",
        "Calibration error of stopping",
        "Expected calibration error of the stop probability as a prediction of a correct answer.",
        permutation_tested=True,
        less_is_better=True,
        report_row=13,
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
        "Different messages an image",
        "Number of distinct messages per dialogue.",
        report_row=11,
    ),
    Metric("message_entropy", "bits", "Entropy of the messages (bits)", "Plug-in entropy of the messages."),
    Metric("class_entropy", "bits", "Entropy of the classes (bits)", "Plug-in entropy of the classes."),
    Metric(
        "information",
        "bits",
        "Message and class: mutual information, uncorrected (bits)",
        "Plug-in mutual information of message and class; biased upwards where most messages are distinct.",
        permutation_tested=True,
        report_row=3,
    ),
    Metric(
        "information_corrected",
        "bits",
        "The same, corrected (bits)",
        "Plug-in mutual information of message and class, minus its mean over permuted labels.",
        report_row=4,
    ),
    Metric(
        "dead_bits",
        "bits",
        "Bits that never change",
        "Number of bits that are the same in all messages.",
        report_row=12,
    ),
    Metric(
        "topographic_similarity",
        "Spearman's rho",
        "Topographic similarity, to descriptions",
        "Correlation of message distance with the cosine distance of the descriptions, over pairs of dialogues.",
        permutation_tested=True,
        report_row=6,
    ),
    Metric(
        "topographic_similarity_features",
        "Spearman's rho",
        "Topographic similarity, to what images look like",
        "Correlation of message distance with the cosine distance of the image features, over pairs of dialogues.",
        permutation_tested=True,
        report_row=7,
    ),
    Metric(
        "positional_disentanglement",
        "fraction",
        "Positional disentanglement, of attributes",
        "Whether each bit encodes a single attribute of the class.",
        permutation_tested=True,
        report_row=8,
    ),
    Metric(
        "bag_of_symbols_disentanglement",
        "fraction",
        "Bag-of-symbols disentanglement, of attributes",
        "Whether the number of ones encodes a single attribute of the class.",
        permutation_tested=True,
        report_row=9,
    ),
    Metric(
        "context_independence",
        "fraction",
        "Context independence",
        "Whether each class has a bit of its own.",
        permutation_tested=True,
        report_row=10,
    ),
)

UNITS = {metric.name: metric.unit for metric in LANGUAGE_METRICS}
"""The unit of each metric, in the order of language.csv."""
PERMUTATION_TESTED = tuple(metric.name for metric in LANGUAGE_METRICS if metric.permutation_tested)
LESS_IS_BETTER = frozenset(metric.name for metric in LANGUAGE_METRICS if metric.less_is_better)
REPORT_LABELS = {
    metric.name: metric.label
    for _, metric in sorted((metric.report_row, metric) for metric in LANGUAGE_METRICS if metric.report_row is not None)
}
"""The report's metrics and their labels, in the order of its table."""
EXCHANGE_UNITS = {
    "information_gained": "bits",
    "information_corrected": "bits",
    "hamming_sender": "bits",
    "hamming_receiver": "bits",
}
"""The unit of each metric that is measured exchange by exchange."""
