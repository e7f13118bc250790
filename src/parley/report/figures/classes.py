"""Figures by class: dialogue length and accuracy, the confusion matrix, and a projection of the messages."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from parley.metrics.pooling import mean_over_seeds
from parley.metrics.statistics import t_interval
from parley.report.figures.registry import MOST_CLASSES, MOST_NAMED
from parley.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    MARKERS,
    MUTED,
    NARROW_IN,
    PAPER,
    SERIES,
    WIDE_IN,
    fraction_axis,
    new_figure,
    shown,
    styled,
)

Floats = NDArray[np.float64]


@styled
def length_by_class(lengths: Floats, accuracies: Floats, labels: Sequence[str], max_exchanges: int) -> Figure:
    """Draw mean dialogue length and accuracy@1 of each class, longest dialogues first.

    With more than `MOST_CLASSES` classes, only the classes with the longest and the shortest dialogues are drawn.

    Parameters
    ----------
    lengths, accuracies
        Mean length in exchanges and accuracy@1, each [S, K], by seed and class; NaN for a class without images.
    labels
        Names of the classes [K].
    max_exchanges
        Maximum number of exchanges.
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
    """Draw a row for each class: small points for seeds, a large point for their mean, a line for its 95 % interval."""
    over = [t_interval([float(value) for value in column if np.isfinite(value)]) for column in values.T]
    spans = [(row, one.low, one.high) for row, one in enumerate(over) if one.low is not None]
    if spans:
        rows, low, high = zip(*spans, strict=True)
        axes.hlines(rows, low, high, color=colour, linewidth=1.4, alpha=0.55)
        seeds, classes = np.nonzero(np.isfinite(values))
        axes.plot(values[seeds, classes], classes, ".", color=colour, markersize=3, alpha=0.45)
    means = [np.nan if one.mean is None else one.mean for one in over]
    axes.plot(means, range(len(over)), "o", color=colour)


def row_shares(confusion: Floats) -> Floats:
    """Return the confusion matrix [K, K] with each row divided by its sum; a row of zeros stays zero."""
    totals = confusion.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(confusion, totals, out=np.zeros_like(confusion), where=totals > 0))


def likeness_order(confusion: Floats) -> list[int]:
    """Return the class indices [K] in an order that places classes confused with each other side by side.

    The similarity of two classes a and b is the mean of two fractions: a's dialogues answered with b, and b's dialogues
    answered with a. The classes are ordered as the leaves of average-linkage clustering, arranged so that
    neighbours are as similar as possible (Bar-Joseph, Gifford and Jaakkola, 2001, "Fast optimal leaf ordering for
    hierarchical clustering").
    """
    count = len(confusion)
    if count < 3:
        return list(range(count))
    shares = row_shares(confusion)
    distance = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), method="average", optimal_ordering=True)
    return [int(leaf) for leaf in leaves_list(tree)]


@styled
def confusion_figure(confusion: Floats, labels: Sequence[str]) -> Figure:
    """Draw the confusion matrix as fractions of each true class's dialogues.

    Parameters
    ----------
    confusion
        Matrix [K, K] of numbers of dialogues, by true class (row) and predicted class (column).
    labels
        Names of the classes [K].
    """
    order = likeness_order(confusion)
    shares = row_shares(confusion)[np.ix_(order, order)]
    names = [shown(labels[c]) for c in order]
    count = len(names)
    wide = count > 30
    side = WIDE_IN if wide else NARROW_IN
    figure = new_figure(side, side + 0.1)
    axes, scale = figure.subplots(2, 1, height_ratios=[1, 0.022 if wide else 0.03])
    _cells(axes, [(c, r, shares[r, c]) for r, c in zip(*np.nonzero(shares), strict=True)])
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
    size = min(8.0, 0.62 * 72 * (side - 1.4) / count)
    axes.set_xticks(range(count), names, rotation=90, fontsize=size)
    axes.set_yticks(range(count), names, fontsize=size)
    axes.tick_params(length=0, pad=2)
    axes.grid(False)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    _colour_scale(scale)
    return figure


def _cells(axes: Axes, cells: list[tuple[int, int, float]]) -> None:
    """Draw cells (column, row, fraction) with the fraction as opacity, which is readable in light and dark mode."""
    boxes = [Rectangle((column - 0.5, row - 0.5), 1, 1) for column, row, _ in cells]
    colours = [(BLUE, 0.06 + 0.94 * share) for _, _, share in cells]
    axes.add_collection(PatchCollection(boxes, facecolors=colours, edgecolors="none"))


def _colour_scale(axes: Axes) -> None:
    steps = 20
    _cells(axes, [(step, 0, (step + 0.5) / steps) for step in range(steps)])
    axes.set(xlim=(-0.5, steps - 0.5), ylim=(-0.5, 0.5), yticks=[])
    axes.set_xticks([-0.5, steps / 2 - 0.5, steps - 0.5], ["0", "0.5", "1"])
    axes.set_xlabel("Fraction of the true class's dialogues", fontsize=8)
    axes.tick_params(length=2)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=MUTED, linewidth=0.5)


MARK_PT = 7.0
"""Side of the marker of a class, in points."""
DIRECTIONS = np.array([(0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0)])
"""Directions from a marker in which its label may be placed, in order of preference."""
GAPS_PT = np.array([0, 4, 9, 15, 22, 30, 40, 52, 66, 82, 100])
"""Distances from a marker at which its label may be placed, in points."""


@styled
def messages_pca(coordinates: Floats, targets: NDArray[np.int64], explained: Floats, labels: Sequence[str]) -> Figure:
    """Draw a point for each message, larger where several coincide, and a framed marker at the mean of each class.

    The markers have the names of the classes, unless there are more than `MOST_NAMED` classes.

    Parameters
    ----------
    coordinates
        Coordinates of the messages on the first two principal components [N, 2].
    targets
        True class of each message, as an index into `labels`. Shape [N].
    explained
        Fraction of the variance explained by each of the two components.
    labels
        Names of the classes [K].
    """
    present = sorted(set(targets.tolist()))
    wide = len(present) > 16
    width, height = (WIDE_IN, 6.2) if wide else (NARROW_IN, 4.4)
    figure = new_figure(width, height)
    axes = figure.subplots()
    axes.margins(0.08)
    centres = []
    for number, column in enumerate(present):
        points, counts = np.unique(coordinates[targets == column], axis=0, return_counts=True)
        colour, marker = SERIES[number % len(SERIES)], MARKERS[number // len(SERIES) % len(MARKERS)]
        x, y = points.T
        axes.scatter(x, y, s=10 + 6 * (counts - 1), color=colour, marker=marker, alpha=0.6, linewidths=0)
        centre = (points * counts[:, None]).sum(axis=0) / counts.sum()
        framed: dict[str, Any] = {
            "s": 0.7 * MARK_PT**2,
            "color": colour,
            "marker": marker,
            "edgecolors": INK,
            "linewidths": 0.8,
            "zorder": 3,
        }
        axes.scatter(centre[0], centre[1], **framed)
        centres.append(centre)
    axes.set_xlabel(f"First principal component ({100 * explained[0]:.0f} % of the variance)")
    axes.set_ylabel(f"Second principal component ({100 * explained[1]:.0f} %)")
    axes.grid(False)
    if len(present) > MOST_NAMED:
        return figure
    figure.draw_without_rendering()  # Computes the layout, on which label positions depend.
    _label(axes, np.array(centres), [shown(labels[column]) for column in present], 7.0 if wide else 8.0)
    return figure


def _label(axes: Axes, centres: Floats, names: list[str], size_pt: float) -> None:
    """Write the name of each class near the class's marker, without overlaps, and join name and marker by a line."""
    points_a_pixel = 72 / axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    marks = axes.transData.transform(centres) * points_a_pixel
    boxes = np.array([(0.62 * size_pt * len(name) + 3, 1.25 * size_pt) for name in names])
    frame = axes.get_window_extent().get_points() * points_a_pixel
    text: dict[str, Any] = {
        "textcoords": "offset points",
        "ha": "center",
        "va": "center",
        "fontsize": size_pt,
        "color": INK,
    }
    box = {"boxstyle": "round,pad=0.1", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.75}
    line = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0}
    for name, centre, offset in zip(names, centres, place_labels(marks, boxes, frame) - marks, strict=True):
        axes.annotate(name, centre, xytext=offset, bbox=box, arrowprops=line, **text)


def place_labels(marks: Floats, boxes: Floats, frame: Floats) -> Floats:
    """Place each label near its marker so that it covers no marker and no earlier label.

    Positions are tried from the marker outwards, above it first. If none is free, the one that covers the smallest area
    is used.

    Parameters
    ----------
    marks
        Centres of the markers in points [N, 2].
    boxes
        Widths and heights of the labels in points [N, 2].
    frame
        Lower left and upper right corner of the area for labels, in points [2, 2].

    Returns
    -------
    Floats
        Centres of the labels [N, 2].
    """
    placed = np.empty_like(marks)
    taken = np.array(marks)
    sizes = np.full_like(marks, MARK_PT)
    for number, (mark, box) in enumerate(zip(marks, boxes, strict=True)):
        tried = mark + DIRECTIONS * ((box + MARK_PT) / 2 + GAPS_PT[:, None, None])  # [gaps, directions, 2]
        tried = tried.reshape(-1, 2)
        overlap = (box + sizes) / 2 - np.abs(tried[:, None] - taken)  # [tried, taken, 2]
        covered = np.clip(overlap, 0, None).prod(axis=-1).sum(axis=-1)
        outside = ((tried - box / 2 < frame[0]) | (tried + box / 2 > frame[1])).any(axis=-1)
        placed[number] = tried[np.argmin(covered + 1e6 * outside)]
        taken, sizes = np.vstack([taken, placed[number]]), np.vstack([sizes, box])
    return placed
