"""Messages projected on their first two principal components, labelled by class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parley.report.figures.registry import MOST_NAMED
from parley.report.figures.style import (
    INK,
    MARKERS,
    MUTED,
    NARROW_IN,
    PAPER,
    SERIES,
    WIDE_IN,
    new_figure,
    shown,
    styled,
)

Floats = NDArray[np.float64]
MARK_PT = 7.0
"""Side of a class's marker in points."""
DIRECTIONS = np.array([(0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0)])
"""Directions of a label from its marker, preferred first."""
GAPS_PT = np.array([0, 4, 9, 15, 22, 30, 40, 52, 66, 82, 100])
"""Distances of a label from its marker, in points."""


@styled
def messages_pca(coordinates: Floats, targets: NDArray[np.int64], explained: Floats, labels: Sequence[str]) -> Figure:
    """Draw one point a message, larger where several coincide, and each class's mark at its centre, with its name.

    Of more than `MOST_NAMED` classes none is named.

    Parameters
    ----------
    coordinates
        Messages on the first two components [N, 2].
    targets
        Column of each message's true class [N].
    explained
        Fraction of the variance along each component [2].
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
    for place, column in enumerate(present):
        points, counts = np.unique(coordinates[targets == column], axis=0, return_counts=True)
        colour, marker = SERIES[place % len(SERIES)], MARKERS[place // len(SERIES) % len(MARKERS)]
        x, y = points.T
        axes.scatter(x, y, s=10 + 6 * (counts - 1), color=colour, marker=marker, alpha=0.6, linewidths=0)
        centre = (points * counts[:, None]).sum(axis=0) / counts.sum()
        axes.scatter(
            centre[0],
            centre[1],
            s=0.7 * MARK_PT**2,
            color=colour,
            marker=marker,
            edgecolors=INK,
            linewidths=0.8,
            zorder=3,
        )
        centres.append(centre)
    axes.set_xlabel(f"First principal component ({100 * explained[0]:.0f} % of the variance)")
    axes.set_ylabel(f"Second principal component ({100 * explained[1]:.0f} %)")
    axes.grid(False)
    if len(present) > MOST_NAMED:
        return figure
    figure.draw_without_rendering()  # fixes the layout and so the positions of the class means
    _label(axes, np.array(centres), [shown(labels[column]) for column in present], 7.0 if wide else 8.0)
    return figure


def _label(axes: Axes, centres: Floats, names: list[str], size_pt: float) -> None:
    """Write each name near its class mean without overlaps, joined to it by a line."""
    points_a_pixel = 72 / axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    marks = axes.transData.transform(centres) * points_a_pixel
    boxes = np.array([(0.62 * size_pt * len(name) + 3, 1.25 * size_pt) for name in names])
    frame = axes.get_window_extent().get_points() * points_a_pixel
    places = place_labels(marks, boxes, frame)
    for name, centre, place, mark in zip(names, centres, places, marks, strict=True):
        axes.annotate(
            name,
            centre,
            xytext=place - mark,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size_pt,
            color=INK,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.75},
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0},
        )


def place_labels(marks: Floats, boxes: Floats, frame: Floats) -> Floats:
    """Place each label near its marker so that it covers no marker and no earlier label.

    Places are tried from the mark outwards, above it first. Where all are taken, the one that covers least is used.

    Parameters
    ----------
    marks
        Centres of the marks in points [N, 2].
    boxes
        Widths and heights of the labels in points [N, 2].
    frame
        Lower left and upper right corner of where labels may be [2, 2].

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
