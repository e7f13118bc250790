"""Which figures an experiment has; apart, so that a workflow can name them without loading matplotlib."""

from collections.abc import Sequence

FIGURES_OF_EXPERIMENT = ("accuracy-by-part",)
"""Drawn once, over all runs."""
FIGURES_OF_RUN = (
    "learning-curves",
    "by-exchange",
    "flipped-bits",
    "length-by-class",
    "confusion",
    "messages-pca",
)
"""Drawn for each run, as `<figure>-<run>`."""
MOST_CLASSES = 80
"""Rows of a figure with a row a class; with more a page would be metres of them."""
MOST_NAMED = 100
"""Classes that the figure of messages names; of more, names would cover the marks and each other."""


def run_figure_names(run: str) -> list[str]:
    """Return the names of one run's figures, without their endings."""
    return [f"{figure}-{run}" for figure in FIGURES_OF_RUN]


def figure_names(runs: Sequence[str]) -> list[str]:
    """Return the names of all figures of an experiment, without their endings (.svg and .pdf)."""
    return [*FIGURES_OF_EXPERIMENT, *(name for run in runs for name in run_figure_names(run))]
