"""All figure files of an experiment."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from parley.figures.confusion import confusion_figure
from parley.figures.curves import learning_curves
from parley.figures.exchanges import by_exchange
from parley.figures.lengths import length_by_class
from parley.figures.names import figure_names
from parley.figures.parts import accuracy_by_part
from parley.figures.projection import messages_pca
from parley.figures.style import empty_figure, save_figure
from parley.metrics.pooling import PooledPart, pool
from parley.metrics.records import Curve, owner_of, read_analysis, read_chosen_step, read_curve
from parley.summary import read_summary


def draw_figures(
    summary_json: str | Path,
    analyses: Sequence[str | Path],
    metrics_logs: Sequence[str | Path],
    selections: Sequence[str | Path],
    folder: str | Path,
) -> list[Path]:
    """Draw every figure of an experiment, as SVG and PDF.

    Parameters
    ----------
    summary_json
        The summary; its runs are those that are drawn.
    analyses, metrics_logs, selections
        analysis.json, metrics.jsonl and selection.json of all runs and seeds, in any order.
    folder
        Where the files go.

    Returns
    -------
    list[Path]
        The files, two a name of `figure_names`. Where a run has nothing to draw, its figure says so.
    """
    rows, failed, _ = read_summary(summary_json)
    runs = list(dict.fromkeys([row.run for row in rows] + [run for run, _ in failed]))
    found = [read_analysis(path) for path in analyses]
    curves = [read_curve(path) for path in metrics_logs]
    chosen = {owner_of(path): read_chosen_step(path) for path in selections}
    figures = {"accuracy-by-part": accuracy_by_part(rows)}
    for run in runs:
        own = [curve for curve in curves if curve.run == run and curve.steps]
        steps = {seed: step for (owner, seed), step in chosen.items() if owner == run}
        figures[f"learning-curves-{run}"] = _curves(own, steps)
        figures |= {f"{name}-{run}": figure for name, figure in _of_part(pool(found, run)).items()}
    files = []
    for name in figure_names(runs):
        files += save_figure(figures[name], folder, name, title=name.replace("-", " "))
    return files


def _curves(curves: list[Curve], chosen: dict[int, int]) -> Figure:
    if not curves:
        return empty_figure("No seed of this run was evaluated during training.")
    return learning_curves(curves, chosen)


def _of_part(part: PooledPart | None) -> dict[str, Figure]:
    if part is None:
        nothing = empty_figure("No seed of this run has test conversations to draw.")
        return dict.fromkeys(("by-exchange", "length-by-class", "confusion", "messages-pca"), nothing)
    points = part.projection
    return {
        "by-exchange": by_exchange(part.talking, part.by_exchange, len(part.labels)),
        "length-by-class": length_by_class(part.class_length, part.class_accuracy, part.labels, part.max_exchanges),
        "confusion": confusion_figure(part.confusion, part.labels),
        "messages-pca": messages_pca(points.coordinates, points.targets, points.explained, part.labels),
    }
