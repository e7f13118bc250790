"""Accuracy by part: what its legend explains, and how several runs stand."""

import pytest

from parley.analysis.summary import SummaryRow
from parley.report.figures.overview import accuracy_by_part


def row(mean, seeds, run="a", part="test", metric="accuracy@1", chance=0.25):
    spread = None if mean is None or seeds < 2 else 0.05
    low, high = (None, None) if spread is None else (mean - spread, mean + spread)
    return SummaryRow(
        run=run, part=part, metric=metric, unit="fraction", k=None, candidates=4, images=40, mean=mean, sd=spread,
        low=low, high=high, n_seeds=seeds, seeds_failed=5 - seeds, chance=chance, beats_chance=None,
    )  # fmt: skip


def legend(*rows):
    return [text.get_text() for one in accuracy_by_part(rows).legends for text in one.get_texts()]


@pytest.mark.parametrize(
    ("rows", "explained"),
    [
        ([row(0.5, 5)], ["mean, 95 % interval over seeds", "chance"]),
        ([row(0.5, 1)], ["one seed, no interval", "chance"]),
        ([row(None, 0)], ["chance"]),
        ([row(0.5, 5), row(0.5, 1, "b")], ["mean, 95 % interval over seeds", "one seed, no interval", "chance"]),
        ([row(0.5, 5), row(None, 0, "b")], ["mean, 95 % interval over seeds", "chance"]),
        ([row(0.5, 5, chance=None)], ["mean, 95 % interval over seeds"]),
        ([], []),
    ],
)
def test_the_legend_explains_the_marks_that_are_there_and_no_others(rows, explained):
    assert legend(*rows) == explained


def test_several_runs_are_rows_and_parts_are_columns():
    runs = [f"run {number}" for number in range(45)]
    rows = [row(0.4 + number / 100, 5, run, part) for number, run in enumerate(runs) for part in ("test", "ood_alone")]
    figure = accuracy_by_part([*rows, row(0.9, 5, "run 0", metric="accuracy@k")])
    test, alone = figure.axes
    assert [axes.get_title(loc="left") for axes in (test, alone)] == ["test", "ood_alone"]
    assert [label.get_text() for label in test.get_yticklabels()] == runs
    dots = [line for line in test.lines if line.get_marker() == "o"]
    assert [(dot.get_xdata()[0], dot.get_ydata()[0]) for dot in dots] == [(0.4 + y / 100, y) for y in range(45)]
    assert figure.get_figheight() < 11


def test_a_run_without_successful_seeds_is_labelled():
    figure = accuracy_by_part([row(None, 0), row(0.5, 5, "b")])
    assert [text.get_text() for text in figure.axes[0].texts] == ["every seed failed"]
