"""Confusion matrix, with classes that are confused with each other next to each other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from parley.report.figures.style import BLUE, MUTED, NARROW_IN, WIDE_IN, new_figure, shown, styled

Floats = NDArray[np.float64]


def row_shares(confusion: Floats) -> Floats:
    """Return the confusion matrix as fractions of each true class's conversations [K, K]; an empty row stays zero."""
    totals = confusion.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(confusion, totals, out=np.zeros_like(confusion), where=totals > 0))


def likeness_order(confusion: Floats) -> list[int]:
    """Order the classes [K] so that those confused with each other are adjacent.

    The likeness of two classes is the mean of the shares in which each is taken for the other; the order
    is that of the leaves of average-linkage clustering, turned so that neighbours are as alike as can be
    (Bar-Joseph, Gifford and Jaakkola, 2001, "Fast optimal leaf ordering for hierarchical clustering").
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
        Conversations by true (row) and predicted class (column) [K, K].
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
    _scale(scale)
    return figure


def _cells(axes: Axes, cells: list[tuple[int, int, float]]) -> None:
    """Fill cells (column, row, fraction); the fraction is the opacity, to read on light and dark paper."""
    boxes = [Rectangle((column - 0.5, row - 0.5), 1, 1) for column, row, _ in cells]
    colours = [(BLUE, 0.06 + 0.94 * share) for _, _, share in cells]
    axes.add_collection(PatchCollection(boxes, facecolors=colours, edgecolors="none"))


def _scale(axes: Axes) -> None:
    steps = 20
    _cells(axes, [(step, 0, (step + 0.5) / steps) for step in range(steps)])
    axes.set(xlim=(-0.5, steps - 0.5), ylim=(-0.5, 0.5), yticks=[])
    axes.set_xticks([-0.5, steps / 2 - 0.5, steps - 0.5], ["0", "0.5", "1"])
    axes.set_xlabel("Fraction of the true class's conversations", fontsize=8)
    axes.tick_params(length=2)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=MUTED, linewidth=0.5)
