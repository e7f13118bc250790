"""Accuracy against the number of flipped message bits."""

from matplotlib.figure import Figure

from parley.core.formats import fraction
from parley.metrics.flips import Flips
from parley.metrics.intervals import t_half_width
from parley.report.figures.style import BLUE, NARROW_IN, fraction_axis, new_figure, null_line, styled


@styled
def accuracy_by_flips(flips: Flips, candidates: int) -> Figure:
    """Draw accuracy@1 against the number of flipped bits: seeds thin, their mean thick, its 95 % interval as a band.

    Parameters
    ----------
    flips
        Of one run.
    candidates
        Number of candidate classes.
    """
    figure = new_figure(NARROW_IN, 2.7)
    axes = figure.subplots()
    for accuracy in flips.accuracy:
        axes.plot(flips.counts, accuracy, color=BLUE, alpha=0.45, linewidth=0.8)
    mean = flips.accuracy.mean(axis=0)
    if len(flips.seeds) > 1:
        half = t_half_width(flips.accuracy.std(axis=0, ddof=1), len(flips.seeds))
        axes.fill_between(flips.counts, mean - half, mean + half, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(flips.counts, mean, "o-", color=BLUE, markersize=3.5)
    # With many bits the tick labels of small counts would overlap.
    axes.set_xticks(
        [count for count in flips.counts if count in (0, flips.counts[-1]) or 16 * count > flips.counts[-1]]
    )
    axes.set_xlabel(f"Flipped bits of each Sender message, of {flips.counts[-1]}")
    fraction_axis(axes, "Accuracy@1 (fraction of images)")
    null_line(axes, 1 / candidates, f"chance {fraction(1 / candidates)}")
    return figure
