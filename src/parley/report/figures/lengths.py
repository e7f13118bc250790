"""Dialogue length and accuracy of each class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parley.metrics.intervals import t_interval
from parley.metrics.pooling import mean_over_seeds
from parley.report.figures.registry import MOST_CLASSES
from parley.report.figures.style import BLUE, GREEN, NARROW_IN, fraction_axis, new_figure, shown, styled

Floats = NDArray[np.float64]


@styled
def length_by_class(lengths: Floats, accuracies: Floats, labels: Sequence[str], max_exchanges: int) -> Figure:
    """Draw mean dialogue length and accuracy@1 of each class, longest first; for many classes, both ends of the order.

    Parameters
    ----------
    lengths, accuracies
        Mean length in exchanges and accuracy@1 by seed and class [S, K]; NaN for a class without an image.
    labels
        Names of the classes [K].
    max_exchanges
        Longest conversation allowed.
    """
    means = mean_over_seeds(lengths)
    order = [int(c) for c in np.argsort(-means, kind="stable") if np.isfinite(means[c])]
    cut = len(order) > MOST_CLASSES
    if cut:
        order = order[: MOST_CLASSES // 2] + order[-MOST_CLASSES // 2 :]
    figure = new_figure(NARROW_IN, 1.1 + 0.165 * len(order))
    left, right = figure.subplots(1, 2, sharey=True)
    _dots(left, lengths[:, order], BLUE)
    _dots(right, accuracies[:, order], GREEN)
    left.set_yticks(range(len(order)), [shown(labels[c]) for c in order])
    left.set_ylim(len(order) - 0.4, -0.6)
    left.set_xlim(0.7, max_exchanges + 0.3)
    left.set_xticks(range(1, max_exchanges + 1, -(-max_exchanges // 10)))
    left.set_xlabel("Mean length (exchanges)")
    fraction_axis(right, "Accuracy@1 (fraction)", horizontal=True)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
        if cut:
            axes.axhline(MOST_CLASSES / 2 - 0.5, color="black", linewidth=0.8, linestyle=":")
    return figure


def _dots(axes: Axes, values: Floats, colour: str) -> None:
    """One row a class: seeds as small points, their mean as a large one on its 95 % interval."""
    over = [t_interval([float(value) for value in column if np.isfinite(value)]) for column in values.T]
    spans = [(row, one.low, one.high) for row, one in enumerate(over) if one.low is not None]
    if spans:
        rows, low, high = zip(*spans, strict=True)
        axes.hlines(rows, low, high, color=colour, linewidth=1.4, alpha=0.55)
        seeds, places = np.nonzero(np.isfinite(values))
        axes.plot(values[seeds, places], places, ".", color=colour, markersize=3, alpha=0.45)
    means = [np.nan if one.mean is None else one.mean for one in over]
    axes.plot(means, range(len(over)), "o", color=colour)
