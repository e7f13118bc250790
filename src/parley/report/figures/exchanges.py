"""Accuracy and entropies by exchange."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parley.metrics.intervals import t_half_width
from parley.metrics.pooling import mean_over_seeds
from parley.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    NARROW_IN,
    RULE,
    VERMILION,
    fraction_axis,
    new_figure,
    null_line,
    styled,
)

Floats = NDArray[np.float64]
FEWEST_TALKING = 0.02
"""Smallest fraction of dialogues still running for which their mean is drawn."""


@styled
def by_exchange(talking: Floats, quantities: Mapping[str, Floats], candidates: int) -> Figure:
    """Draw accuracy@1, prediction entropy and message entropy by exchange.

    Parameters
    ----------
    talking
        Fraction of the conversations still on when an exchange begins, by seed [S, T].
    quantities
        By seed and exchange [S, T], NaN where not measured: `accuracy@1`, `prediction_entropy_bits`,
        `sender_entropy_bits`, `receiver_entropy_bits`, each with `_all` (every image, as if nobody
        stopped; solid) and `_talking` (conversations still on, at least `FEWEST_TALKING`; dotted).
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
        few = share < FEWEST_TALKING
        still_on = np.where(few, np.nan, mean_over_seeds(quantities[f"{name}_talking"]))
        _pair(axes, exchanges, quantities[f"{name}_all"], still_on, colour, label)
    top.set_title("Accuracy@1 (bars: conversations still on)")
    fraction_axis(top, "Fraction of images")
    null_line(top, 1 / candidates, "chance")
    middle.set_title("Entropy of the prediction")
    null_line(middle, np.log2(candidates), "knows nothing")
    bottom.set_title("Entropy of a message, given what its agent saw")
    for axes in (middle, bottom):
        axes.set_ylim(0, 1.2 * max(axes.get_ylim()[1], 0.1))
        axes.set_ylabel("Bits")
    bottom.set_xlabel("Exchange")
    bottom.set_xticks(exchanges)
    _legend(top)
    return figure


def _pair(axes: Axes, exchanges: NDArray[np.int64], every: Floats, still_on: Floats, colour: str, label: str) -> None:
    """Draw one quantity: over all images with its 95 % interval over seeds, and over dialogues still running."""
    mean = mean_over_seeds(every)
    if len(every) > 1:
        half = t_half_width(every.std(axis=0, ddof=1), len(every))
        axes.fill_between(exchanges, mean - half, mean + half, color=colour, alpha=0.18, linewidth=0)
    axes.plot(exchanges, mean, "o-", color=colour, markersize=3.5)
    axes.plot(exchanges, still_on, "o:", color=colour, markersize=2.5, linewidth=1.3)
    if label and np.isfinite(mean[-1]):
        at = (exchanges[-1], mean[-1])
        axes.annotate(label, at, xytext=(0, 6), textcoords="offset points", ha="right", fontsize=8, color=INK)


def _legend(axes: Axes) -> None:
    for name, line in (("all images, as if nobody stopped", "-"), ("conversations still on", ":")):
        axes.plot([], [], line, color=MUTED, label=name, linewidth=1.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=2)
