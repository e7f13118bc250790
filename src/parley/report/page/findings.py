"""Texts of a run's figures, computed from its results: a heading, and a finding of one or two sentences."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import NamedTuple

import numpy as np

from parley.core.formats import change, counted, exchanges, fraction, interval, isolated, listed, percent
from parley.core.installation import as_typed
from parley.metrics.pooling import PooledPart, mean_over_seeds
from parley.metrics.statistics import Interval, correlation, t_interval
from parley.report.figures.curves import at_common_steps
from parley.report.figures.results import RunResults

Words = tuple[str, str]
"""Heading and finding of a figure."""


def _of_test(words: Callable[[PooledPart], Words]) -> Callable[[RunResults], Words]:
    """Decorate a function of the pooled test results so that it takes a run's `RunResults` instead.

    Without test results, the heading and finding state that there are no test dialogues.
    """

    @wraps(words)
    def of_results(results: RunResults) -> Words:
        if results.test is None:
            return "No test dialogues", "No seed of this run has test dialogues whose numbers are all finite."
        return words(results.test)

    return of_results


def count_last_selected(results: RunResults) -> tuple[int, int]:
    """Return for how many seeds the last checkpoint was selected, and the number of seeds."""
    last = {curve.seed: curve.steps[-1] for curve in results.curves}
    return sum(results.chosen.get(seed) == step for seed, step in last.items()), len(last)


class Gain(NamedTuple):
    """Accuracy@1 if all dialogues stopped after the first exchange, or after the last, and the change in each seed."""

    first: float
    last: float
    over: Interval


def gain(part: PooledPart) -> Gain:
    """Return how accuracy@1 changes from the first to the last exchange."""
    accuracies = part.by_exchange["accuracy@1_all"]
    first, last = (float(value) for value in mean_over_seeds(accuracies)[[0, -1]])
    return Gain(first, last, t_interval((accuracies[:, -1] - accuracies[:, 0]).tolist()))


def of_curves(results: RunResults) -> Words:
    """State for how many seeds the last checkpoint was selected, and how dev accuracy changed during training."""
    late, number = count_last_selected(results)
    seeds = counted(number, "seed")
    if not number:
        heading = "No evaluation during training"
    elif all(len(curve.steps) == 1 for curve in results.curves):
        heading = "One evaluation during training"
    elif not late:
        heading = "All selected checkpoints are from before the end of training"
    elif late == number:
        heading = "The last checkpoint of every seed is its best"
    else:
        heading = f"For {late} of {seeds}, the last checkpoint is the best"
    steps, values = at_common_steps(results.curves, "accuracy@1")
    if not steps:
        return heading, "No step has a dev evaluation of every seed."
    first, final = (fraction(float(value)) for value in mean_over_seeds(values)[[0, -1]])
    if len(steps) == 1:
        finding = f"Dev accuracy@1 is {first} at step {steps[0]:,}, the only evaluation."
    else:
        mean = f" (mean of {seeds})" if number > 1 else ""
        finding = f"Dev accuracy@1{mean} goes from {first} at step {steps[0]:,} to {final} at step {steps[-1]:,}."
        if late and not results.annealed:
            finding += f" As the last checkpoint of {late} of {seeds} was selected, longer training may help."
    return heading, finding


@_of_test
def of_exchanges(part: PooledPart) -> Words:
    """State how accuracy (compared within each seed) and entropies change from the first to the last exchange."""
    entropy = mean_over_seeds(part.by_exchange["prediction_entropy_bits_all"])
    if part.max_exchanges == 1:
        classes = counted(len(part.labels), "class")
        return (
            "One exchange: the Receiver never replies",
            f"After the only exchange, the prediction has an entropy of {entropy[0]:.2f} bits over {classes}.",
        )
    first, last, over = gain(part)
    mean = over.mean or 0.0
    if over.low is None or over.high is None:
        heading = f"Further exchanges change accuracy by {change(mean)} (one seed, so no interval)"
    elif over.low > 0:
        heading = f"Further exchanges raise accuracy by {fraction(mean)} {interval(over.low, over.high)}"
    elif over.high < 0:
        heading = f"Further exchanges lower accuracy by {fraction(-mean)} {interval(-over.high, -over.low)}"
    else:
        span = interval(over.low, over.high)
        heading = f"Further exchanges do not change accuracy significantly: {change(mean)} {span}"
    finding = (
        f"If all dialogues stopped after the first exchange, accuracy@1 would be {fraction(first)}; if they all "
        f"stopped after exchange {part.max_exchanges}, it would be {fraction(last)}. "
        "The entropy of the Receiver's prediction, a measure of its uncertainty about the class, goes from "
        f"{entropy[0]:.2f} to {entropy[-1]:.2f} bits."
    )
    changes = []
    for agent in ("Sender", "Receiver"):
        message = mean_over_seeds(part.by_exchange[f"{agent.lower()}_entropy_bits_all"])
        if np.isfinite(message).all():
            start, end = f"{message[0]:.1f}", f"{message[-1]:.1f}"
            course = f"stays at {start}" if start == end else f"goes from {start} to {end}"
            changes.append(f"{course} bits for the {agent}")
    if changes:
        finding += f" The entropy of the messages, given the agent's input, {listed(changes)}."
    return heading, finding


def of_flips(results: RunResults) -> Words:
    """State how many flipped bits reduce accuracy to chance, and the accuracy for each number of flipped bits."""
    if results.test is None:
        return "No bits to flip", "No seed of this run has messages whose bits could be flipped."
    if (flips := results.flips) is None:
        return "No bits to flip", "This run's messages are continuous, or all its seeds failed."
    chance, bits = 1 / len(results.test.labels), counted(flips.counts[-1], "bit")
    over = [t_interval(column.tolist()) for column in flips.accuracy.T]
    lows = [one.low for one in over]
    reached = [count for count, low in zip(flips.counts, lows, strict=True) if low is not None and low <= chance]
    if any(low is None for low in lows):
        ends = f"{fraction(over[0].mean)} to {fraction(over[-1].mean)}"
        heading = f"With all {bits} flipped, accuracy goes from {ends} (one seed)"
    elif not reached:
        heading = f"With all {bits} flipped, accuracy is still above chance"
    elif reached[0] == 0:
        heading = "Accuracy is not above chance even with no bit flipped"
    else:
        heading = f"With {reached[0]} of {bits} flipped, accuracy is no longer above chance"
    none, *some = (fraction(float(value)) for value in flips.accuracy.mean(axis=0))
    steps = [f"{value} with {count}" for count, value in zip(flips.counts[1:], some, strict=True)]
    return heading, (
        f"Accuracy@1 is {none} if no bit of the Sender's messages is flipped. It is {listed(steps)} of the {bits} of "
        f"each message flipped; chance is {fraction(chance)}."
    )


@_of_test
def of_lengths(part: PooledPart) -> Words:
    """State the classes with the longest and shortest dialogues, and whether length correlates with accuracy."""
    lengths, accuracies = mean_over_seeds(part.class_length), mean_over_seeds(part.class_accuracy)
    known = lengths[np.isfinite(lengths)]
    if known.min() == known.max():
        return f"Dialogues about every class take {exchanges(float(known[0]))} exchanges", "Length does not vary."
    longest, shortest = int(np.nanargmax(lengths)), int(np.nanargmin(lengths))
    finding = (
        f"Dialogues about {isolated(part.labels[longest])} are the longest ({exchanges(float(lengths[longest]))} "
        f"exchanges), those about {isolated(part.labels[shortest])} the shortest "
        f"({exchanges(float(lengths[shortest]))})."
    )
    heading = "Dialogue length and accuracy of a class are not significantly correlated"
    over = correlation(lengths, accuracies)
    if over is None:
        return heading, finding
    verdict = "not significant"
    if over.low * over.high > 0:
        more = "more" if over.r > 0 else "less"
        heading = f"Classes with longer dialogues are named correctly {more} often"
        verdict = f"classes with longer dialogues are named correctly {more} often"
    return heading, (
        f"{finding} Over {counted(over.n, 'class')}, length and accuracy correlate at r = {over.r:.2f} "
        f"{interval(over.low, over.high, 2)}: {verdict}."
    )


@_of_test
def of_confusion(part: PooledPart) -> Words:
    """State the fraction of correct answers and the two most frequent mistakes."""
    if (matrix := part.confusion) is None:
        return "Too many classes for a matrix", (
            f"{len(part.labels):,} classes are too many for a matrix; "
            f"`{as_typed('uv run snakemake')} --cores 1 export` writes every dialogue with its answer."
        )
    total, right = float(matrix.sum()), float(np.trace(matrix))
    finding = f"Of {counted(round(total), 'dialogue')}, {percent(right / total)} end with the correct class."
    mistakes = matrix - np.diag(np.diag(matrix))
    phrases = []
    for cell in np.argsort(-mistakes, axis=None, kind="stable")[:2].tolist():
        true, taken = divmod(cell, len(matrix))
        if mistakes[true, taken] > 0:
            name = isolated(part.labels[true])
            share = f"({percent(mistakes[true, taken] / matrix[true].sum())} of the dialogues about {name})"
            phrases.append((f"{name} taken for {isolated(part.labels[taken])}", share))
    if not phrases:
        return "No mistakes", finding
    most = listed([" ".join(phrase) for phrase in phrases])
    return f"Most frequent mistake: {phrases[0][0]}", f"{finding} Most frequent mistakes: {most}."


@_of_test
def of_projection(part: PooledPart) -> Words:
    """State the number of different messages, and the variance explained by the two principal components."""
    points = part.projection
    images = counted(len(points.targets), "image")
    if points.distinct == 1:
        return (
            "The same message for all images",
            f"The Sender's last message is the same for all {images} of seed {points.seed}.",
        )
    heading = f"{points.distinct:,} different messages for {images}"
    if points.distinct == len(points.targets):
        heading = "Every image gets its own message"
    median = " (the seed with the median accuracy@1)" if len(part.seeds) > 2 else ""
    return heading, (
        f"For seed {points.seed}{median}, {images} got {counted(points.distinct, 'different message')}. "
        "The first two principal components explain "
        f"{percent(float(points.explained.sum()))} of the variance of the messages."
    )


WORDS: Mapping[str, Callable[[RunResults], Words]] = {
    "learning-curves": of_curves,
    "by-exchange": of_exchanges,
    "flipped-bits": of_flips,
    "length-by-class": of_lengths,
    "confusion": of_confusion,
    "messages-pca": of_projection,
}
"""Functions that return the heading and finding of each figure of a run, by the figure's name."""
