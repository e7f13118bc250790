"""The summary table printed at the end of the workflow: the results of each run on each split."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from parley.analysis.summary import Summary, SummaryRow, read_summary
from parley.core import formats
from parley.core.terminal import literal, plain_table

PAGES = {"report": "report.html", "browser": "browser.html"}
"""Pages, and their files in the experiment's folder."""
MOST_FAILURES = 5
"""Maximum number of failed seeds listed individually."""

WIDTHS = {"images": 6, "95 %": 11}
"""Minimum widths of columns whose numbers may be wider than their headers, so that the tables of all runs align."""

LEGEND = "acc: accuracy over seeds, its 95 % interval, its chance; exch.: exchanges."


def show_summary(folder: str | Path, on: Console) -> None:
    """Print an experiment's summary, its failed seeds, and the paths of its pages.

    Parameters
    ----------
    folder
        The experiment's folder, with summary.json.
    on
        From `parley.core.terminal.console`.

    Raises
    ------
    ParleyError
        If summary.json is of another version.
    """
    folder = Path(folder)
    summary = read_summary(folder / "summary.json")
    on.print()
    for table in _tables(summary.rows, on):
        on.print(table)
    on.print()
    on.print(literal(LEGEND, "dim"))
    for line in _failures(summary):
        on.print(literal(line, "red"), soft_wrap=True)
    for name, file in PAGES.items():
        if (folder / file).is_file():
            # A path must stay on one line to be clicked or copied.
            on.print(literal(f"The {name}: {folder / file}"), soft_wrap=True)


def _tables(rows: Sequence[SummaryRow], on: Console) -> Iterator[Table]:
    """Yield one table per run, with aligned columns. The run's name is a heading, as a column would be too wide."""
    ks = {row.k for row in rows if row.metric == "accuracy@k" and row.k is not None}
    numbers = ["images", "classes", "acc@1", "95 %", "chance", f"acc@{ks.pop()}" if len(ks) == 1 else "acc@k"]
    for index, run in enumerate(dict.fromkeys(row.run for row in rows)):
        table = plain_table(on, literal(run, "bold"), header=index == 0)
        table.add_column("part", overflow="fold", min_width=max(len(row.part) for row in rows))
        for header in (*numbers, "exch.", "seeds", "failed"):
            table.add_column(header, justify="right", min_width=WIDTHS.get(header, len(header)), no_wrap=True)
        for part in dict.fromkeys(row.part for row in rows if row.run == run):
            metrics = {row.metric: row for row in rows if (row.run, row.part) == (run, part)}
            table.add_row(literal(part), *_cells(metrics))
        yield table


def _cells(metrics: Mapping[str, SummaryRow]) -> list[str]:
    top1 = metrics["accuracy@1"]
    known = top1.low is not None and top1.high is not None
    interval = f"{formats.fraction(top1.low)}–{formats.fraction(top1.high)}" if known else formats.NOTHING
    return [
        formats.count(top1.images),
        formats.count(top1.candidates),
        formats.fraction(top1.mean),
        interval,
        formats.fraction(top1.chance),
        formats.fraction(metrics["accuracy@k"].mean),
        formats.exchanges(metrics["length"].mean),
        str(top1.n_seeds),
        str(top1.seeds_failed),
    ]


def _failures(summary: Summary) -> list[str]:
    lines = [
        f"Run {run}, seed {seed} failed: {summary.reasons.get((run, seed), 'it lacks a number that the others have.')}"
        for run, seed in summary.failed[:MOST_FAILURES]
    ]
    if (more := len(summary.failed) - MOST_FAILURES) > 0:
        lines.append(f"{formats.counted(more, 'seed')} more failed; summary.json says why.")
    return lines
