"""Which figures an experiment has; apart, so that a workflow can name them without loading matplotlib."""

from collections.abc import Sequence

FIGURES_OF_EXPERIMENT = ("accuracy-by-part",)
"""Drawn once, over all runs."""
FIGURES_OF_RUN = ("learning-curves", "by-exchange", "length-by-class", "confusion", "messages-pca")
"""Drawn for each run, as `<figure>-<run>`."""


def figure_names(runs: Sequence[str]) -> list[str]:
    """Return the names of all figures of an experiment, without their endings (.svg and .pdf)."""
    return [*FIGURES_OF_EXPERIMENT, *(f"{figure}-{run}" for run in runs for figure in FIGURES_OF_RUN)]
