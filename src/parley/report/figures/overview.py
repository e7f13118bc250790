"""Draw the figure that compares all runs of an experiment."""

from pathlib import Path

from parley.analysis.summary import read_summary
from parley.report.figures.parts import accuracy_by_part
from parley.report.figures.registry import OVERVIEW
from parley.report.figures.style import save_figure


def draw_overview(summary_json: str | Path, folder: str | Path) -> list[Path]:
    """Draw accuracy by part of every run, as SVG and PDF.

    Parameters
    ----------
    summary_json
        The summary.
    folder
        Where the files go.

    Returns
    -------
    list[Path]
        The two files.
    """
    figure = accuracy_by_part(read_summary(summary_json).rows)
    return save_figure(figure, folder, OVERVIEW.name, title="accuracy by part")
