"""Accuracy by part, beside chance."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from parley.figures.style import BLUE, INK, MUTED, NARROW_IN, PAPER, fraction_axis, new_figure, shown, styled
from parley.summary import SummaryRow

TITLES = {
    "test": "Test",
    "ood": "Out of domain, joint",
    "ood_alone": "Out of domain, alone",
    "transfer": "Transfer, joint",
    "transfer_alone": "Transfer, alone",
    "dev": "Dev",
    "train": "Train",
}
"""Names of the parts; *joint*: seen and unseen classes are candidates, *alone*: only the unseen ones."""


@styled
def accuracy_by_part(rows: Sequence[SummaryRow]) -> Figure:
    """Draw mean accuracy@1 and @k of each part and run, with 95 % interval over seeds and chance.

    Parameters
    ----------
    rows
        Of the summary; other metrics are passed over.
    """
    runs = list(dict.fromkeys(row.run for row in rows))
    parts = list(dict.fromkeys(row.part for row in rows))
    # With several runs each part gets a heading and a row a run; with one, a row a part.
    lines: list[tuple[str, str, str | None]] = []
    for part in parts:
        title = TITLES.get(part, part)
        if len(runs) > 1:
            lines.append((title, part, None))
        lines += [(shown(run) if len(runs) > 1 else title, part, run) for run in runs]
    figure = new_figure(NARROW_IN, 1.4 + 0.24 * len(lines))
    panels = figure.subplots(1, 2, sharey=True)
    table = {(row.part, row.run, row.metric): row for row in rows}
    for axes, metric in zip(panels, ("accuracy@1", "accuracy@k"), strict=True):
        for y, (_, part, run) in enumerate(lines):
            if run is not None and (row := table.get((part, run, metric))) is not None:
                _mark(axes, y, row)
        axes.set_title(_metric_title(metric, rows))
        fraction_axis(axes, "Fraction of images", horizontal=True)
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(lines)), [text for text, _, _ in lines])
    panels[0].set_ylim(len(lines) - 0.4, -0.6)
    for label, (_, _, run) in zip(panels[0].get_yticklabels(), lines, strict=True):
        label.set_fontweight("bold" if run is None else "normal")
    _legend(figure)
    return figure


def _metric_title(metric: str, rows: Sequence[SummaryRow]) -> str:
    """Name the k of accuracy@k where it is one; parts with fewer candidates than k have a smaller one."""
    ks = {row.k for row in rows if row.metric == metric and row.k is not None}
    return f"Accuracy@{ks.pop()}" if len(ks) == 1 else metric.capitalize()


def _mark(axes: Axes, y: int, row: SummaryRow) -> None:
    if row.chance is not None:
        axes.plot([row.chance] * 2, [y - 0.34, y + 0.34], color=MUTED, linewidth=1.6)
    if row.mean is None:
        axes.text(0.5, y, "no seed came through", ha="center", va="center", fontsize=8, color=MUTED)
        return
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [y, y], color=BLUE, linewidth=2)
    # One seed has no interval: an open ring says so.
    axes.plot([row.mean], [y], "o", color=BLUE, markerfacecolor=BLUE if row.n_seeds > 1 else PAPER, markersize=5.5)


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=BLUE, marker="o", linewidth=2, label="mean, 95 % interval over seeds"),
        Line2D([], [], color=BLUE, marker="o", markerfacecolor=PAPER, linewidth=0, label="one seed"),
        Line2D([], [], color=MUTED, marker="|", markersize=8, markeredgewidth=1.6, linewidth=0, label="chance"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, labelcolor=INK)
