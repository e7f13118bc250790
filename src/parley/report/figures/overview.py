"""Figure that compares the accuracy of all runs with chance, on each split."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from parley.analysis.summary import SummaryRow, read_summary
from parley.report.figures.registry import OVERVIEW
from parley.report.figures.style import (
    BLUE,
    INK,
    MUTED,
    NARROW_IN,
    PAPER,
    WIDE_IN,
    fraction_axis,
    new_figure,
    save_figure,
    shown,
    styled,
)

LONGEST_RUN = 34
"""Maximum number of characters of a run's name; longer names are shortened."""


@styled
def accuracy_by_part(rows: Sequence[SummaryRow]) -> Figure:
    """Draw the mean accuracy of each run on each split, its 95 % interval over seeds, and chance.

    For one run, accuracy@1 and accuracy@k are drawn, with a row for each split. For several runs, accuracy@1 is drawn,
    with a row for each run and a column for each split. `rows` are rows of the summary; other metrics are ignored.
    """
    known = [row for row in rows if row.metric in ("accuracy@1", "accuracy@k")]
    runs = list(dict.fromkeys(row.run for row in known))
    figure = _many_runs(known, runs) if len(runs) > 1 else _one_run(known)
    _legend(figure, known)
    return figure


def _one_run(rows: Sequence[SummaryRow]) -> Figure:
    parts = list(dict.fromkeys(row.part for row in rows))
    figure = new_figure(NARROW_IN, 1.4 + 0.24 * len(parts))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, metric in zip(panels, ("accuracy@1", "accuracy@k"), strict=True):
        _panel(axes, {row.part: row for row in rows if row.metric == metric}, parts, 5.5)
        # In splits with few candidates, the k of accuracy@k may be smaller than in others.
        ks = {row.k for row in rows if row.metric == metric and row.k is not None}
        axes.set_title(f"Accuracy@{ks.pop()}" if len(ks) == 1 else metric.capitalize())
        fraction_axis(axes, "Fraction of images", horizontal=True)
    panels[0].set_yticks(range(len(parts)), parts)
    panels[0].set_ylim(len(parts) - 0.4, -0.6)
    return figure


def _many_runs(rows: Sequence[SummaryRow], runs: Sequence[str]) -> Figure:
    parts = list(dict.fromkeys(row.part for row in rows))
    figure = new_figure(WIDE_IN, 1.4 + 0.2 * len(runs))
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    for axes, part in zip(panels, parts, strict=True):
        _panel(axes, {row.run: row for row in rows if (row.metric, row.part) == ("accuracy@1", part)}, runs, 3.8)
        axes.set_title(part, fontsize="small" if len(parts) > 5 else None)
        fraction_axis(axes, "Accuracy@1", horizontal=True)
    panels[0].set_yticks(range(len(runs)), [shown(run, LONGEST_RUN) for run in runs])
    panels[0].set_ylim(len(runs) - 0.4, -0.6)
    return figure


def _panel(axes: Axes, rows: Mapping[str, SummaryRow], lines: Sequence[str], size_pt: float) -> None:
    """For each name in `lines` that has results, draw chance level, interval and mean on a line of the panel."""
    axes.tick_params(axis="y", length=0)
    for y, name in enumerate(lines):
        if (row := rows.get(name)) is None:
            continue
        if row.chance is not None:
            axes.plot([row.chance] * 2, [y - 0.34, y + 0.34], color=MUTED, linewidth=1.6)
        if row.mean is None:
            axes.text(0.5, y, "every seed failed", ha="center", va="center", fontsize=8, color=MUTED)
            continue
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [y, y], color=BLUE, linewidth=2)
        # An open ring marks a single seed, which has no interval.
        face = BLUE if row.n_seeds > 1 else PAPER
        axes.plot([row.mean], [y], "o", color=BLUE, markerfacecolor=face, markersize=size_pt)


def _legend(figure: Figure, rows: Sequence[SummaryRow]) -> None:
    """Draw a legend of the marks that occur in the figure."""
    handles = []
    if any(row.low is not None for row in rows):
        handles.append(Line2D([], [], color=BLUE, marker="o", linewidth=2, label="mean, 95 % interval over seeds"))
    if any(row.mean is not None and row.n_seeds == 1 for row in rows):
        ring: dict[str, Any] = {"marker": "o", "markerfacecolor": PAPER, "linewidth": 0}
        handles.append(Line2D([], [], color=BLUE, label="one seed, no interval", **ring))
    if any(row.chance is not None for row in rows):
        tick: dict[str, Any] = {"marker": "|", "markersize": 8, "markeredgewidth": 1.6, "linewidth": 0}
        handles.append(Line2D([], [], color=MUTED, label="chance", **tick))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), labelcolor=INK)


def draw_overview(summary_json: str | Path, folder: str | Path) -> list[Path]:
    """Draw the accuracies in `summary_json` into a folder, and return the paths of the SVG and the PDF file."""
    figure = accuracy_by_part(read_summary(summary_json).rows)
    return save_figure(figure, folder, OVERVIEW.name, title="accuracy by split")
