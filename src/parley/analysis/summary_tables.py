"""Format a summary as tables: Markdown and LaTeX for a paper, and text for the terminal.

All tables show the 95 % intervals of the means, the numbers of seeds and the chance levels.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from parley.analysis.summary import Summary, SummaryRow, in_order, read_summary
from parley.core import formats, latex, markdown
from parley.core.errors import ParleyError
from parley.core.files import write_text
from parley.core.formats import NOTHING, counted, fraction, interval
from parley.core.terminal import literal, plain_table
from parley.interaction.eval_sets import ALONE, UNSEEN_PARTS

HEADS = {
    "accuracy@1": "accuracy@1",
    "accuracy@k": "accuracy@k",
    "nll": "NLL (nats)",
    "length": "length (exchanges)",
    "length_original": "length (go-on bits)",
}
"""Column header of each metric."""
_DECIMALS = {"length": 2, "length_original": 2}
_NOTE = "Mean over seeds and, in brackets, its 95 % t interval."


Block = tuple[str, list[list[str]]]
"""Title of a split, and the cells of the table's rows for the split."""


class PaperTable(NamedTuple):
    """A table for a paper, as text that is not yet escaped for Markdown or LaTeX."""

    name: str
    caption: str
    header: list[str]
    blocks: list[Block]


def write_paper_tables(summary: str | Path, wanted: Sequence[Mapping[str, Any]], folder: str | Path) -> None:
    """Write `<name>.md` and `<name>.tex` for each table of the config.

    Parameters
    ----------
    summary
        Path of ``summary.json``.
    wanted
        Section `tables` of the config.
    folder
        Output folder.
    """
    rows = read_summary(summary).rows
    for one in wanted:
        table = paper_table(rows, one)
        write_text(Path(folder) / f"{table.name}.md", as_markdown(table))
        write_text(
            Path(folder) / f"{table.name}.tex",
            latex.table(table.caption, f"tab:{table.name}", table.header, table.blocks),
        )


def paper_table(rows: Sequence[SummaryRow], wanted: Mapping[str, Any]) -> PaperTable:
    """Build one table from the rows of a summary.

    Parameters
    ----------
    rows
        The rows of a summary.
    wanted
        Entry of the config with ``name, runs, parts, metrics, caption``. If ``runs`` is empty, all runs are included;
        if ``parts`` is empty, the test split and the splits of unseen classes.

    Raises
    ------
    ParleyError
        If the summary does not contain a requested run or split, or if none of the table's runs was evaluated on a
        requested split.
    """
    parts = in_order(row.part for row in rows)
    runs = list(dict.fromkeys(row.run for row in rows))
    for key, kind, known in (("runs", "runs", runs), ("parts", "splits", parts)):
        if strays := [name for name in wanted[key] if name not in known]:
            raise ParleyError(
                f"Config: the table {wanted['name']} lists the {kind} {', '.join(strays)}, which the summary does "
                f"not have; the summary has {', '.join(known)}."
            )
    shown = wanted["parts"] or [part for part in parts if part == "test" or part.removesuffix(ALONE) in UNSEEN_PARTS]
    found = {(row.run, row.part, row.metric): row for row in rows}
    blocks = []
    for part in shown:
        lines = [
            [found[run, part, metric] for metric in wanted["metrics"]]
            for run in wanted["runs"] or runs
            if (run, part, wanted["metrics"][0]) in found
        ]
        if lines:
            blocks.append(_block(part, lines))
        elif part in wanted["parts"]:
            raise ParleyError(
                f"Config: the table {wanted['name']} lists the split {part}, on which none of its runs "
                f"({', '.join(wanted['runs'] or runs)}) was evaluated; list other runs or remove the split."
            )
    header = ["Run", *(HEADS[metric] for metric in wanted["metrics"]), "Seeds"]
    return PaperTable(wanted["name"], f"{wanted['caption']} {_NOTE}".strip(), header, blocks)


def as_markdown(table: PaperTable) -> str:
    """Return a table as Markdown. The title of each block is a separate row."""
    rows = []
    for title, lines in table.blocks:
        rows.append([f"*{markdown.escaped(title)}*", *[""] * (len(table.header) - 1)])
        rows += [[markdown.escaped(cell) for cell in line] for line in lines]
    header = [markdown.escaped(name) for name in table.header]
    return "\n".join([markdown.escaped(table.caption), "", *markdown.table(header, rows), ""])


def _block(part: str, lines: Sequence[Sequence[SummaryRow]]) -> Block:
    # The number of candidates is unknown for a failed run, so take it from the first run for which it is known.
    known = next((line for line in lines if line[0].candidates is not None), lines[0])
    return _title(known, part), [*map(_run_row, lines), _chance_row(known)]


def _title(line: Sequence[SummaryRow], part: str) -> str:
    first = line[0]
    if first.candidates is None or first.images is None:
        return f"{part}: every seed failed"
    k = next((row.k for row in line if row.k is not None), None)
    among = f"{counted(first.images, 'image')}, {counted(first.candidates, 'candidate')}"
    return f"{part}: {among}" + (f", k = {k}" if k is not None else "")


def _run_row(line: Sequence[SummaryRow]) -> list[str]:
    return [line[0].run, *map(_cell, line), _seeds(line)]


def _cell(row: SummaryRow) -> str:
    decimals = _DECIMALS.get(row.metric)
    if row.mean is None:
        return NOTHING
    mean = fraction(row.mean) if decimals is None else f"{row.mean:.{decimals}f}"
    return f"{mean} {interval(row.low, row.high, decimals)}".rstrip()


def _seeds(line: Sequence[SummaryRow]) -> str:
    """Return the number of seeds of a row as text; if the number differs between metrics, one number per metric."""
    counts = list(dict.fromkeys(row.n_seeds for row in line))
    if len(counts) > 1:
        counts = [row.n_seeds for row in line]
    expected = line[0].n_seeds + line[0].seeds_failed
    shown = " / ".join(map(str, counts))
    return shown if counts == [expected] else f"{shown} of {expected}"


def _chance_row(line: Sequence[SummaryRow]) -> list[str]:
    values = [fraction(row.chance) for row in line]
    return ["chance", *values, ""]


PAGES = {"report": "report.html", "browser": "browser.html"}
"""Files of the HTML pages in the results folder of an experiment, by name of the page."""
MOST_FAILURES = 5
"""Maximum number of failed seeds listed individually."""

WIDTHS = {"images": 6, "95 %": 11}
"""Minimum widths of columns whose numbers may be wider than their headers, so that the tables of all runs align."""

LEGEND = "acc: mean accuracy over seeds, its 95 % interval, and the accuracy of random guesses; exch.: exchanges."


def show_summary(folder: str | Path, on: Console) -> None:
    """Print an experiment's summary, its failed seeds, and the paths of its pages.

    Parameters
    ----------
    folder
        Results folder of the experiment, which contains summary.json.
    on
        Console to print to, from `parley.core.terminal.console`.

    Raises
    ------
    ParleyError
        If summary.json was written by an incompatible version of Parley.
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
    """Yield one table per run, with aligned columns. The run's name is the title, as a column would be too wide."""
    ks = {row.k for row in rows if row.metric == "accuracy@k" and row.k is not None}
    numbers = ["images", "classes", "acc@1", "95 %", "chance", f"acc@{ks.pop()}" if len(ks) == 1 else "acc@k"]
    for index, run in enumerate(dict.fromkeys(row.run for row in rows)):
        table = plain_table(on, literal(run, "bold"), header=index == 0)
        table.add_column("split", overflow="fold", min_width=max(len(row.part) for row in rows))
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
        f"Run {run}, seed {seed} failed: {summary.reasons.get((run, seed), 'a metric is missing or is not finite.')}"
        for run, seed in summary.failed[:MOST_FAILURES]
    ]
    if (more := len(summary.failed) - MOST_FAILURES) > 0:
        lines.append(f"{formats.counted(more, 'seed')} more failed; summary.json lists the reasons.")
    return lines
