"""Learning curves: dev accuracy against the training step."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parley.core.formats import fraction
from parley.metrics.intervals import t_half_width
from parley.metrics.records import Curve
from parley.report.figures.style import BLUE, NARROW_IN, PAPER, fraction_axis, new_figure, null_line, styled

Floats = NDArray[np.float64]


class Band(NamedTuple):
    """Mean of a metric over seeds at their common steps, and its 95 % t interval (None for one seed)."""

    steps: NDArray[np.int64]
    mean: Floats
    low: Floats | None
    high: Floats | None


def band(curves: Sequence[Curve], metric: str) -> Band:
    """Average the seeds' curves.

    Only steps at which every seed has a finite value count: a mean over whichever seeds got that far
    would jump where one ends.
    """
    tables = [
        {step: value for step, value in zip(curve.steps, curve.values[metric], strict=True) if value is not None}
        for curve in curves
    ]
    steps = sorted(set.intersection(*map(set, tables))) if tables else []
    values = np.array([[table[step] for step in steps] for table in tables], dtype=np.float64)
    values = values.reshape(len(tables), len(steps))  # [S, steps]
    mean = values.mean(axis=0) if len(tables) else np.empty(0)
    if len(tables) < 2:
        return Band(np.array(steps, dtype=np.int64), mean, None, None)
    half = t_half_width(values.std(axis=0, ddof=1), len(tables))
    return Band(np.array(steps, dtype=np.int64), mean, mean - half, mean + half)


@styled
def learning_curves(curves: Sequence[Curve], chosen: Mapping[int, int]) -> Figure:
    """Draw dev accuracy@1 and @k of one run: seeds thin, their mean thick, its 95 % interval as a band.

    Parameters
    ----------
    curves
        One a seed, of the same run.
    chosen
        Seed → step of the checkpoint that was selected; marked by a ring.
    """
    figure = new_figure(NARROW_IN, 4.6)
    k = next((curve.k for curve in curves if curve.k is not None), None)
    panels = figure.subplots(2, 1, sharex=True)
    for axes, metric, name in zip(
        panels, ("accuracy@1", "accuracy@k"), ("accuracy@1", f"accuracy@{k or 'k'}"), strict=True
    ):
        _panel(axes, curves, metric, chosen)
        axes.set_title(f"Dev {name}")
        fraction_axis(axes, "Fraction of images")
    panels[1].set_xlabel("Training step (batches)")
    return figure


def _panel(axes: Axes, curves: Sequence[Curve], metric: str, chosen: Mapping[int, int]) -> None:
    for curve in curves:
        values = [np.nan if value is None else value for value in curve.values[metric]]
        # A seed with one evaluation is a point: a line would be invisible.
        mark = "." if len(curve.steps) == 1 else None
        axes.plot(curve.steps, values, color=BLUE, alpha=0.45, linewidth=0.8, marker=mark)
        step = chosen.get(curve.seed)
        if step in curve.steps:
            value = values[curve.steps.index(step)]
            axes.plot([step], [value], "o", color=BLUE, markerfacecolor=PAPER, markersize=5, zorder=4)
    over = band(curves, metric)
    if over.low is not None and over.high is not None:
        axes.fill_between(over.steps, over.low, over.high, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(over.steps, over.mean, color=BLUE)
    chance = next((curve.chance[metric] for curve in curves if metric in curve.chance), None)
    if chance is not None:
        null_line(axes, chance, f"chance {fraction(chance)}")
