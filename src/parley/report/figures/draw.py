"""Draw the figures of one run, with the results of all its seeds, as SVG and PDF files."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from parley.core.errors import ParleyError
from parley.metrics.pooling import PooledPart
from parley.plugins.registry import PLUGINS
from parley.report.figures.classes import confusion_figure, length_by_class, messages_pca
from parley.report.figures.curves import accuracy_by_flips, by_exchange, learning_curves
from parley.report.figures.registry import RUN_FIGURES, plugin_figures
from parley.report.figures.results import RunFiles, RunResults, read_results
from parley.report.figures.style import empty_figure, save_figure


def draw_run(run: str, files: RunFiles, folder: str | Path) -> list[Path]:
    """Draw every figure of one run.

    Parameters
    ----------
    run
        Name of the run.
    files
        Files of the run's seeds. Files of other runs are ignored.
    folder
        Output folder.

    Returns
    -------
    list[Path]
        Paths of the files, two for each name in `run_figure_names`. A figure without data shows a sentence instead.
    """
    results = read_results(run, files)
    paths = []
    for name, *_ in (*RUN_FIGURES, *plugin_figures()):
        figure = DRAW[name](results) if name in DRAW else draw_plugin(name, results)
        paths += save_figure(figure, folder, f"{name}-{run}", f"{name.replace('-', ' ')}, run {run}")
    return paths


def draw_plugin(name: str, results: RunResults) -> Figure:
    """Draw a figure of a plug-in. Its function takes the parameter ``part``, or ``results``."""
    draw = PLUGINS["figure"][name].part
    is_of_test = next(iter(inspect.signature(draw).parameters)) == "part"
    figure = (_of_test(draw) if is_of_test else draw)(results)
    if not isinstance(figure, Figure):
        raise ParleyError(
            f"The figure {name} returned {figure!r:.60}; it must return a matplotlib Figure, such as that of "
            "parley.report.figures.style.new_figure."
        )
    return figure


def _curves(results: RunResults) -> Figure:
    if not results.curves:
        return empty_figure("No seed of this run was evaluated during training.")
    return learning_curves(results.curves, results.chosen)


def _flips(results: RunResults) -> Figure:
    if results.flips is None or results.test is None:
        return empty_figure("No seed of this run has messages whose bits could be flipped.")
    return accuracy_by_flips(results.flips, len(results.test.labels))


def _of_test(draw: Callable[[PooledPart], Figure]) -> Callable[[RunResults], Figure]:
    """Decorate a function that draws pooled test results, so that it takes a run's `RunResults` instead.

    Without test results, the figure shows a sentence.
    """

    def of_results(results: RunResults) -> Figure:
        if results.test is None:
            return empty_figure("No seed of this run has test dialogues.")
        return draw(results.test)

    return of_results


@_of_test
def _confusion(part: PooledPart) -> Figure:
    if part.confusion is None:
        return empty_figure(f"{len(part.labels):,} classes are too many for a matrix.")
    return confusion_figure(part.confusion, part.labels)


DRAW: Mapping[str, Callable[[RunResults], Figure]] = {
    "learning-curves": _curves,
    "by-exchange": _of_test(lambda part: by_exchange(part.talking, part.by_exchange, len(part.labels))),
    "flipped-bits": _flips,
    "length-by-class": _of_test(
        lambda part: length_by_class(part.class_length, part.class_accuracy, part.labels, part.max_exchanges)
    ),
    "confusion": _confusion,
    "messages-pca": _of_test(
        lambda part: messages_pca(
            part.projection.coordinates, part.projection.targets, part.projection.explained, part.labels
        )
    ),
}
"""Functions that draw the figures of a run, by the figure's name."""
