"""The figure files of an experiment: one over all its runs, and those of each run."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from parley.metrics.flips import Flips, read_flips
from parley.metrics.pooling import PooledPart, pool
from parley.metrics.records import Curve, owner_of, read_analysis, read_chosen_step, read_curve
from parley.report.figures.confusion import confusion_figure
from parley.report.figures.curves import learning_curves
from parley.report.figures.exchanges import by_exchange
from parley.report.figures.flips import accuracy_by_flips
from parley.report.figures.lengths import length_by_class
from parley.report.figures.names import FIGURES_OF_RUN
from parley.report.figures.projection import messages_pca
from parley.report.figures.style import empty_figure, save_figure


def draw_run(
    run: str,
    analyses: Sequence[str | Path],
    metrics_logs: Sequence[str | Path],
    selections: Sequence[str | Path],
    flips: Sequence[str | Path],
    folder: str | Path,
) -> list[Path]:
    """Draw every figure of one run, as SVG and PDF.

    Parameters
    ----------
    run
        Its name.
    analyses, metrics_logs, selections, flips
        analysis.json, metrics.jsonl, selection.json and flips.json of its seeds, in any order; those of other runs
        are passed over.
    folder
        Where the files go.

    Returns
    -------
    list[Path]
        The files, two a name of `run_figure_names`. Where the run has nothing to draw, its figure says so.
    """
    curves = [read_curve(path) for path in metrics_logs if owner_of(path)[0] == run]
    chosen = {owner_of(path)[1]: read_chosen_step(path) for path in selections if owner_of(path)[0] == run}
    part = pool([read_analysis(path) for path in analyses], run)
    figures = {"learning-curves": _curves([curve for curve in curves if curve.steps], chosen)}
    figures |= {"flipped-bits": _flips(read_flips(flips, run), part)}
    figures |= _of_part(part)
    files = []
    for name in FIGURES_OF_RUN:
        files += save_figure(figures[name], folder, f"{name}-{run}", title=f"{name.replace('-', ' ')}, run {run}")
    return files


def _curves(curves: list[Curve], chosen: dict[int, int]) -> Figure:
    if not curves:
        return empty_figure("No seed of this run was evaluated during training.")
    return learning_curves(curves, chosen)


def _flips(flips: Flips | None, part: PooledPart | None) -> Figure:
    if flips is None or part is None:
        return empty_figure("No seed of this run has messages whose bits could be flipped.")
    return accuracy_by_flips(flips, len(part.labels))


def _of_part(part: PooledPart | None) -> dict[str, Figure]:
    if part is None:
        nothing = empty_figure("No seed of this run has test conversations to draw.")
        return dict.fromkeys(("by-exchange", "length-by-class", "confusion", "messages-pca"), nothing)
    points = part.projection
    return {
        "by-exchange": by_exchange(part.talking, part.by_exchange, len(part.labels)),
        "length-by-class": length_by_class(part.class_length, part.class_accuracy, part.labels, part.max_exchanges),
        "confusion": _confusion(part),
        "messages-pca": messages_pca(points.coordinates, points.targets, points.explained, part.labels),
    }


def _confusion(part: PooledPart) -> Figure:
    if part.confusion is None:
        return empty_figure(f"{len(part.labels):,} classes are too many for a matrix.")
    return confusion_figure(part.confusion, part.labels)
