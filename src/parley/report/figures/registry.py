"""Registry of figures, with the name, heading and explanation of each figure.

The registry determines the workflow's file names and the layout of the report. The function that draws a figure is in
`draw`, the report's sentences about the figure are in `parley.report.page.findings`, and Snakemake's caption is
`workflow/report/<name>.rst`. A test lists what is missing for a new figure. This module does not import matplotlib.
"""

from collections.abc import Sequence
from typing import NamedTuple

from parley.plugins.registry import PLUGINS

MOST_CLASSES = 80
"""Maximum number of rows in a figure with one row per class."""
MOST_NAMED = 100
"""Maximum number of classes named in the figure of messages; more names would overlap."""


class FigureInfo(NamedTuple):
    """Entry of the registry for one figure."""

    name: str
    """Name of the figure's files: `<name>.svg`, or `<name>-<run>.svg` for a figure of one run."""
    heading: str
    """Heading in the report."""
    key: str
    """Explanation of the marks, shown below the figure."""


OVERVIEW = FigureInfo(
    "accuracy-by-part", "Accuracy by split", "Dot: mean over seeds. Bar: 95 % interval. Tick: chance."
)
"""The figure that compares all runs; it is drawn once."""
RUN_FIGURES = (
    FigureInfo(
        "learning-curves",
        "Learning curves",
        "Thin lines: seeds. Thick line: their mean, with its 95 % interval as a band. Rings: selected checkpoints.",
    ),
    FigureInfo(
        "by-exchange",
        "Results by exchange",
        "Bands: 95 % interval over seeds. Dashed lines: chance, and the entropy of a uniform prediction.",
    ),
    FigureInfo(
        "flipped-bits",
        "Accuracy with flipped bits",
        "Thin lines: seeds. Thick line: their mean, with its 95 % interval as a band. In each message, bits "
        "chosen at random are flipped, the same for every seed.",
    ),
    FigureInfo(
        "length-by-class",
        "Length and accuracy by class",
        "Small points: seeds. Large points: their mean, with its 95 % interval. Classes with the longest dialogues "
        f"come first. If there are more than {MOST_CLASSES} classes, only the first and last {MOST_CLASSES // 2} are "
        "shown, above and below the dotted line.",
    ),
    FigureInfo(
        "confusion",
        "Confusion matrix",
        "All seeds together. Classes that are often confused with each other are adjacent (hierarchical clustering "
        "with average linkage).",
    ),
    FigureInfo(
        "messages-pca",
        "The Sender's last messages",
        "Each point is a message; a larger point is a message sent for several images. Framed markers are class means, "
        f"without names if there are more than {MOST_NAMED} classes.",
    ),
)
"""The figures that are drawn for each run, in the order of the report."""


def plugin_figures() -> list[FigureInfo]:
    """Return the figures that the plug-ins loaded by this process have registered."""
    figures = PLUGINS.get("figure", {})
    return [FigureInfo(name, str(about["title"]), str(about["caption"])) for name, (_, about) in figures.items()]


def run_figure_names(run: str, own: Sequence[str] = ()) -> list[str]:
    """Return the names of one run's figures, without file endings; `own` are those of plug-ins."""
    return [f"{name}-{run}" for name in (*(figure.name for figure in RUN_FIGURES), *own)]


def figure_names(runs: Sequence[str], own: Sequence[str] = ()) -> list[str]:
    """Return the names of all figures of an experiment, without file endings (.svg and .pdf)."""
    return [OVERVIEW.name, *(name for run in runs for name in run_figure_names(run, own))]
