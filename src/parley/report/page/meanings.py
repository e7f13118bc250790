"""What a figure means, in a few words: its heading. `findings` has the numbers behind it."""

from collections.abc import Mapping, Sequence

import numpy as np

from parley.analysis.summary import SummaryRow
from parley.core.formats import change, counted, exchanges, fraction, interval, isolated
from parley.metrics.pooling import Flips, PooledPart, mean_over_seeds
from parley.metrics.records import Curve
from parley.metrics.statistics import Interval, correlation, t_interval


def of_parts(rows: Sequence[SummaryRow]) -> str:
    """Say on how many parts, or in how many runs, accuracy@1 is better than chance."""
    own = [row for row in rows if row.metric == "accuracy@1" and row.mean is not None]
    runs = len({row.run for row in own})
    if not own:
        return "No seed came through"
    if all(row.beats_chance is None for row in own):
        return "One seed: no interval, so no verdict"
    if runs > 1:
        test = [row for row in own if row.part == "test"]
        above = sum(row.beats_chance is True for row in test)
        return f"{above} of {counted(len(test), 'run')} better than chance on new images of seen classes"
    above = sum(row.beats_chance is True for row in own)
    return (
        "Better than chance on every part"
        if above == len(own)
        else f"Better than chance on {above} of {len(own)} parts"
    )


def of_curves(curves: Sequence[Curve], chosen: Mapping[int, int]) -> str:
    """Say whether training was long enough, by when the chosen checkpoints were made."""
    last = {curve.seed: curve.steps[-1] for curve in curves if curve.steps}
    if not last:
        return "Nothing was evaluated during training"
    if all(len(curve.steps) == 1 for curve in curves if curve.steps):
        return "One evaluation during training"
    at_end = sum(chosen.get(seed) == step for seed, step in last.items())
    if not at_end:
        return "The chosen checkpoints are from before the end of training"
    if at_end == len(last):
        return "Training ended while accuracy was still at its best: longer may be better"
    return f"{at_end} of {counted(len(last), 'seed')} at its best when training ended"


def of_exchanges(part: PooledPart) -> str:
    """Say what talking on brings: accuracy after the last exchange less that after the first, seed by seed."""
    if part.max_exchanges == 1:
        return "One exchange, so nothing is asked"
    accuracy = part.by_exchange["accuracy@1_all"]
    over = t_interval((accuracy[:, -1] - accuracy[:, 0]).tolist())
    return f"Talking on {_change(over)}"


def _change(over: Interval) -> str:
    mean = over.mean or 0.0
    if over.low is None or over.high is None:
        return f"changes accuracy by {change(mean)} (one seed, so no interval)"
    if over.low > 0:
        return f"raises accuracy by {fraction(mean)} {interval(over.low, over.high)}"
    if over.high < 0:
        return f"lowers accuracy by {fraction(-mean)} {interval(-over.high, -over.low)}"
    return f"is not told apart from no gain: {change(mean)} {interval(over.low, over.high)} in accuracy"


def of_flips(flips: Flips | None, candidates: int) -> str:
    """Say how many flipped bits an answer survives."""
    if flips is None:
        return "No bits to flip"
    chance, bits = 1 / candidates, flips.counts[-1]
    over = [t_interval(column.tolist()) for column in flips.accuracy.T]
    lows = [one.low for one in over]
    first, last = over[0].mean or 0.0, over[-1].mean or 0.0
    if any(low is None for low in lows):
        ends = f"{fraction(first)} to {fraction(last)}"
        return f"With all {counted(bits, 'bit')} flipped, accuracy goes from {ends} (one seed)"
    reached = [count for count, low in zip(flips.counts, lows, strict=True) if low is not None and low <= chance]
    if not reached:
        return f"With all {counted(bits, 'bit')} flipped, answers are still better than chance"
    if reached[0] == 0:
        return "Not better than chance even with no bit flipped"
    return f"With {reached[0]} of {counted(bits, 'bit')} flipped, answers are no longer better than chance"


def of_lengths(part: PooledPart) -> str:
    """Say whether classes that are talked about for longer are named right more often."""
    lengths, accuracies = mean_over_seeds(part.class_length), mean_over_seeds(part.class_accuracy)
    known = lengths[np.isfinite(lengths)]
    if known.min() == known.max():
        return f"Every class takes {exchanges(float(known[0]))} exchanges"
    over = correlation(lengths, accuracies)
    if over is None or over.low * over.high <= 0:
        return "How long a class is talked about does not tell how often it is named right"
    return f"Classes talked about for longer are named right {'more' if over.r > 0 else 'less'} often"


def of_confusion(part: PooledPart) -> str:
    """Name the most frequent mistake."""
    if part.confusion is None:
        return "No matrix of so many classes"
    mistakes = part.confusion - np.diag(np.diag(part.confusion))
    if not mistakes.any():
        return "Every class is always named right"
    true, taken = np.unravel_index(int(mistakes.argmax()), mistakes.shape)
    return f"Most often mistaken: {isolated(part.labels[int(true)])}, for {isolated(part.labels[int(taken)])}"


def of_projection(part: PooledPart) -> str:
    """Say how many different messages there are."""
    points = part.projection
    images = len(points.targets)
    if points.distinct == 1:
        return "One message for all images"
    if points.distinct == images:
        return "Every image gets a message of its own"
    return f"{points.distinct:,} different messages for {counted(images, 'image')}"
