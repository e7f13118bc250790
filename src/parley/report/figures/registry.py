"""The registry of figures: name, heading and key of each, as plain data.

The workflow reads it to name files, the report to lay out its page. What draws a figure is in `draw`, what the report
says about it in `parley.report.page.sections`, and Snakemake's caption in `workflow/report/<name>.rst`. A test says
which of them a new row still lacks. No matplotlib is loaded here.
"""

from collections.abc import Sequence
from typing import NamedTuple

MOST_CLASSES = 80
"""Rows of a figure with one row a class; more would make the page metres long."""
MOST_NAMED = 100
"""Classes named in the figure of messages; more names would cover the points and each other."""


class FigureInfo(NamedTuple):
    """One row of the registry."""

    name: str
    """Of its files: `<name>.svg`, or `<name>-<run>.svg` for a figure of one run."""
    heading: str
    """Heading in the report."""
    key: str
    """How to read the marks, shown below the figure."""


OVERVIEW = FigureInfo("accuracy-by-part", "Accuracy by part", "Dot: mean over seeds. Bar: 95 % interval. Tick: chance.")
"""Drawn once, over all runs."""
RUN_FIGURES = (
    FigureInfo(
        "learning-curves",
        "Learning",
        "Thin: seeds. Thick: their mean, with its 95 % interval as a band. Rings: chosen checkpoints.",
    ),
    FigureInfo(
        "by-exchange",
        "Over the conversation",
        "Bands: 95 % interval over seeds. Chance and no knowledge are dashed.",
    ),
    FigureInfo(
        "flipped-bits",
        "If messages arrive garbled",
        "Thin: seeds. Thick: their mean, with its 95 % interval as a band. The same random bits for every seed.",
    ),
    FigureInfo(
        "length-by-class",
        "Length and accuracy of each class",
        "Small points: seeds. Large: their mean, with its 95 % interval. Longest first; of more than "
        f"{MOST_CLASSES} classes the first and the last {MOST_CLASSES // 2}, above and below the dotted line.",
    ),
    FigureInfo(
        "confusion",
        "What is taken for what",
        "All seeds summed. Classes that are taken for each other stand together: the order is that of a hierarchical "
        "clustering (average linkage) by how often each is taken for the other.",
    ),
    FigureInfo(
        "messages-pca",
        "The Sender's last messages",
        "Each point is a message, larger where several images got it; framed marks are class means, without names "
        f"where there are more than {MOST_NAMED}.",
    ),
)
"""Drawn for each run, in the order of the report."""


def run_figure_names(run: str) -> list[str]:
    """Return the names of one run's figures, without file endings."""
    return [f"{figure.name}-{run}" for figure in RUN_FIGURES]


def figure_names(runs: Sequence[str]) -> list[str]:
    """Return the names of all figures of an experiment, without file endings (.svg and .pdf)."""
    return [OVERVIEW.name, *(name for run in runs for name in run_figure_names(run))]
