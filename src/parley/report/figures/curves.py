"""Figures of curves: dev accuracy by training step, results by exchange, and accuracy by number of flipped bits."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from parley.core.formats import fraction
from parley.metrics.pooling import Flips, mean_over_seeds
from parley.metrics.records import Curve
from parley.metrics.statistics import t_half_width
from parley.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    NARROW_IN,
    PAPER,
    RULE,
    VERMILION,
    fraction_axis,
    new_figure,
    null_line,
    styled,
)

Floats = NDArray[np.float64]


FEWEST_RUNNING = 0.02
"""Minimum fraction of dialogues still running; means over fewer dialogues are not drawn."""


def at_common_steps(curves: Sequence[Curve], metric: str) -> tuple[list[int], Floats]:
    """Return the steps at which every seed has a finite value, and the values at these steps [S, steps].

    Other steps are omitted, because a mean over the remaining seeds would jump where the curve of a seed ends.
    """
    tables = [
        {step: value for step, value in zip(curve.steps, curve.values[metric], strict=True) if value is not None}
        for curve in curves
    ]
    steps = sorted(set.intersection(*map(set, tables))) if tables else []
    values = np.array([[table[step] for step in steps] for table in tables], dtype=np.float64)
    return steps, values.reshape(len(tables), len(steps))


def _plot_mean(
    axes: Axes, x: ArrayLike, values: Floats, colour: str, style: str = "-", size: float | None = None
) -> Floats:
    """Plot the mean of values [S, X] over seeds, with its 95 % t interval as a band, and return the mean [X]."""
    mean = mean_over_seeds(values)
    if len(values) > 1:
        half = t_half_width(values.std(axis=0, ddof=1), len(values))
        axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.18, linewidth=0)
    axes.plot(x, mean, style, color=colour, markersize=size)
    return mean


@styled
def learning_curves(curves: Sequence[Curve], chosen: Mapping[int, int]) -> Figure:
    """Draw dev accuracy@1 and @k of one run: seeds as thin lines, their mean as a thick line with its 95 % interval.

    Parameters
    ----------
    curves
        Curves of one run, one for each seed.
    chosen
        Seed → step of the selected checkpoint, which is marked by a ring.
    """
    figure = new_figure(NARROW_IN, 4.6)
    k = next((curve.k for curve in curves if curve.k is not None), None)
    panels = figure.subplots(2, 1, sharex=True)
    for axes, metric in zip(panels, ("accuracy@1", "accuracy@k"), strict=True):
        _panel(axes, curves, metric, chosen)
        axes.set_title(f"Dev {metric}".replace("@k", f"@{k or 'k'}"))
        fraction_axis(axes, "Fraction of images")
    panels[1].set_xlabel("Training step (batches)")
    return figure


def _panel(axes: Axes, curves: Sequence[Curve], metric: str, chosen: Mapping[int, int]) -> None:
    for curve in curves:
        values = [np.nan if value is None else value for value in curve.values[metric]]
        # A seed with one evaluation is drawn as a point, because a line would be invisible.
        mark = "." if len(curve.steps) == 1 else None
        axes.plot(curve.steps, values, color=BLUE, alpha=0.45, linewidth=0.8, marker=mark)
        step = chosen.get(curve.seed)
        if step in curve.steps:
            value = values[curve.steps.index(step)]
            axes.plot([step], [value], "o", color=BLUE, markerfacecolor=PAPER, markersize=5, zorder=4)
    _plot_mean(axes, *at_common_steps(curves, metric), BLUE)
    chance = next((curve.chance[metric] for curve in curves if metric in curve.chance), None)
    if chance is not None:
        null_line(axes, chance, f"chance {fraction(chance)}")


@styled
def by_exchange(talking: Floats, quantities: Mapping[str, Floats], candidates: int) -> Figure:
    """Draw accuracy@1, prediction entropy and message entropy by exchange.

    Parameters
    ----------
    talking
        Fraction [S, T] of dialogues still running when an exchange begins, by seed and exchange.
    quantities
        Metric → values by seed and exchange [S, T], NaN if not measured. The metrics are `accuracy@1`,
        `prediction_entropy_bits`, `sender_entropy_bits` and `receiver_entropy_bits`, each with the suffix `_all` (all
        images, ignoring stops; solid line) and `_talking` (dialogues still running; dotted line).
    candidates
        Number of candidate classes.
    """
    figure = new_figure(NARROW_IN, 6.6)
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    exchanges = np.arange(1, talking.shape[1] + 1)
    share = mean_over_seeds(talking)
    top.bar(exchanges, share, width=0.86, color=RULE, linewidth=0, zorder=0.5)
    panels = (
        (top, "accuracy@1", BLUE, ""),
        (middle, "prediction_entropy_bits", GREEN, ""),
        (bottom, "sender_entropy_bits", BLUE, "Sender"),
        (bottom, "receiver_entropy_bits", VERMILION, "Receiver"),
    )
    for axes, name, colour, label in panels:
        running = np.where(share < FEWEST_RUNNING, np.nan, mean_over_seeds(quantities[f"{name}_talking"]))
        mean = _plot_mean(axes, exchanges, quantities[f"{name}_all"], colour, "o-", 3.5)
        axes.plot(exchanges, running, "o:", color=colour, markersize=2.5, linewidth=1.3)
        if label and np.isfinite(mean[-1]):
            at = (exchanges[-1], mean[-1])
            axes.annotate(label, at, xytext=(0, 6), textcoords="offset points", ha="right", fontsize=8, color=INK)
    top.set_title("Accuracy@1 (bars: fraction of dialogues still running)")
    fraction_axis(top, "Fraction of images")
    null_line(top, 1 / candidates, "chance")
    middle.set_title("Entropy of the prediction")
    null_line(middle, np.log2(candidates), "uniform")
    bottom.set_title("Message entropy, given the agent's input")
    for axes in (middle, bottom):
        axes.set_ylim(0, 1.2 * max(axes.get_ylim()[1], 0.1))
        axes.set_ylabel("Bits")
    bottom.set_xlabel("Exchange")
    bottom.set_xticks(exchanges)
    for name, line in (("all images, ignoring stops", "-"), ("dialogues still running", ":")):
        top.plot([], [], line, color=MUTED, label=name, linewidth=1.3)
    top.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=2)
    return figure


@styled
def accuracy_by_flips(flips: Flips, candidates: int) -> Figure:
    """Draw accuracy@1 by flipped bits: seeds as thin lines, their mean as a thick line with its 95 % interval.

    Parameters
    ----------
    flips
        Accuracy of one run under flipped bits.
    candidates
        Number of candidate classes.
    """
    figure = new_figure(NARROW_IN, 2.7)
    axes = figure.subplots()
    for accuracy in flips.accuracy:
        axes.plot(flips.counts, accuracy, color=BLUE, alpha=0.45, linewidth=0.8)
    _plot_mean(axes, flips.counts, flips.accuracy, BLUE, "o-", 3.5)
    # With many bits, the tick labels of small counts would overlap, so these are omitted.
    bits = flips.counts[-1]
    axes.set_xticks([count for count in flips.counts if count in (0, bits) or 16 * count > bits])
    axes.set_xlabel(f"Number of flipped bits per Sender message, of {bits}")
    fraction_axis(axes, "Accuracy@1 (fraction of images)")
    null_line(axes, 1 / candidates, f"chance {fraction(1 / candidates)}")
    return figure
