"""Draw the figures of one run: results of all its seeds in, SVG and PDF files out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from parley.metrics.pooling import PooledPart, pool, read_flips
from parley.metrics.records import owner_of, read_analysis, read_chosen_step, read_curve
from parley.report.figures.classes import confusion_figure, length_by_class, messages_pca
from parley.report.figures.curves import accuracy_by_flips, by_exchange, learning_curves
from parley.report.figures.registry import RUN_FIGURES
from parley.report.figures.results import RunResults
from parley.report.figures.style import empty_figure, save_figure


def draw_run(
    run: str,
    analyses: Sequence[str | Path],
    metrics_logs: Sequence[str | Path],
    selections: Sequence[str | Path],
    flips: Sequence[str | Path],
    folder: str | Path,
) -> list[Path]:
    """Draw every figure of one run.

    Parameters
    ----------
    run
        Name of the run.
    analyses, metrics_logs, selections, flips
        Paths of analysis.json, metrics.jsonl, selection.json and flips.json of its seeds, in any order. Files of
        other runs are ignored.
    folder
        Output folder.

    Returns
    -------
    list[Path]
        The files, two for each name of `run_figure_names`. A figure without data is drawn with a sentence saying so.
    """
    results = RunResults(
        curves=[read_curve(path) for path in metrics_logs if owner_of(path)[0] == run],
        chosen={owner_of(path)[1]: read_chosen_step(path) for path in selections if owner_of(path)[0] == run},
        flips=read_flips(flips, run),
        test=pool([read_analysis(path) for path in analyses], run),
    )
    files = []
    for name in (figure.name for figure in RUN_FIGURES):
        files += save_figure(DRAW[name](results), folder, f"{name}-{run}", f"{name.replace('-', ' ')}, run {run}")
    return files


def _curves(results: RunResults) -> Figure:
    curves = [curve for curve in results.curves if curve.steps]
    if not curves:
        return empty_figure("No seed of this run was evaluated during training.")
    return learning_curves(curves, results.chosen)


def _flips(results: RunResults) -> Figure:
    if results.flips is None or results.test is None:
        return empty_figure("No seed of this run has messages whose bits could be flipped.")
    return accuracy_by_flips(results.flips, len(results.test.labels))


def _of_test(draw: Callable[[PooledPart], Figure]) -> Callable[[RunResults], Figure]:
    """Return a function that draws the test split, or a sentence where no seed has test dialogues."""

    def drawn(results: RunResults) -> Figure:
        if results.test is None:
            return empty_figure("No seed of this run has test conversations to draw.")
        return draw(results.test)

    return drawn


def _exchanges(part: PooledPart) -> Figure:
    return by_exchange(part.talking, part.by_exchange, len(part.labels))


def _lengths(part: PooledPart) -> Figure:
    return length_by_class(part.class_length, part.class_accuracy, part.labels, part.max_exchanges)


def _confusion(part: PooledPart) -> Figure:
    if part.confusion is None:
        return empty_figure(f"{len(part.labels):,} classes are too many for a matrix.")
    return confusion_figure(part.confusion, part.labels)


def _messages(part: PooledPart) -> Figure:
    points = part.projection
    return messages_pca(points.coordinates, points.targets, points.explained, part.labels)


DRAW: Mapping[str, Callable[[RunResults], Figure]] = {
    "learning-curves": _curves,
    "by-exchange": _of_test(_exchanges),
    "flipped-bits": _flips,
    "length-by-class": _of_test(_lengths),
    "confusion": _of_test(_confusion),
    "messages-pca": _of_test(_messages),
}
"""What draws each figure of the registry."""
