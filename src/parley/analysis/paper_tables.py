"""Tables for a paper: a summary of selected runs, splits and metrics, as Markdown and LaTeX.

Every mean has its interval, its number of seeds and the value of chance.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from parley.analysis.summary import SummaryRow, in_order, read_summary
from parley.core import latex, markdown
from parley.core.errors import ParleyError
from parley.core.files import write_text
from parley.core.formats import NOTHING, counted, fraction, interval

HEADS = {
    "accuracy@1": "accuracy@1",
    "accuracy@k": "accuracy@k",
    "nll": "NLL (nats)",
    "length": "length (exchanges)",
    "length_original": "length (go-on bits)",
}
"""Column header of each metric."""
_DECIMALS = {"length": 2, "length_original": 2}
_UNSEEN = ("ood", "ood_alone", "transfer", "transfer_alone")
_NOTE = "Mean over seeds and, in brackets, its 95 % t interval."


class Block(NamedTuple):
    """The rows of one split, and its title."""

    title: str
    rows: list[list[str]]


class PaperTable(NamedTuple):
    """A table, as plain text."""

    name: str
    caption: str
    header: list[str]
    blocks: list[Block]


def write_paper_tables(summary: str | Path, wanted: Sequence[Mapping[str, Any]], folder: str | Path) -> None:
    """Write `<name>.md` and `<name>.tex` for each table.

    Parameters
    ----------
    summary
        ``summary.json``.
    wanted
        The config's section `tables`.
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
    """Gather one table.

    Parameters
    ----------
    rows
        The rows of a summary.
    wanted
        ``name, runs, parts, metrics, caption``. Empty runs mean all; empty parts mean the test split and those of
        unseen classes.

    Raises
    ------
    ParleyError
        If the summary lacks a requested run or split, or none of the runs has the split.
    """
    parts = in_order(row.part for row in rows)
    runs = list(dict.fromkeys(row.run for row in rows))
    for kind, known in (("runs", runs), ("parts", parts)):
        if strays := [name for name in wanted[kind] if name not in known]:
            raise ParleyError(
                f"Config: the table {wanted['name']} wants the {kind} {', '.join(strays)}, of which the summary says "
                f"nothing; it has {', '.join(known)}."
            )
    shown = wanted["parts"] or [part for part in parts if part == "test" or part in _UNSEEN]
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
                f"Config: the table {wanted['name']} wants the part {part}, on which none of its runs "
                f"({', '.join(wanted['runs'] or runs)}) was evaluated; name other runs or leave the part out."
            )
    header = ["Run", *(HEADS[metric] for metric in wanted["metrics"]), "Seeds"]
    return PaperTable(wanted["name"], f"{wanted['caption']} {_NOTE}".strip(), header, blocks)


def as_markdown(table: PaperTable) -> str:
    """Return a table as Markdown: each block's title is a row of its own."""
    rows = []
    for title, lines in table.blocks:
        rows.append([f"*{markdown.escaped(title)}*", *[""] * (len(table.header) - 1)])
        rows += [[markdown.escaped(cell) for cell in line] for line in lines]
    header = [markdown.escaped(name) for name in table.header]
    return "\n".join([markdown.escaped(table.caption), "", *markdown.table(header, rows), ""])


def _block(part: str, lines: Sequence[Sequence[SummaryRow]]) -> Block:
    # The candidates of a failed run are unknown.
    known = next((line for line in lines if line[0].candidates is not None), lines[0])
    return Block(_title(known, part), [*map(_run_row, lines), _chance_row(known)])


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
    """Return the number of seeds of the means; if it differs between metrics, one number per metric."""
    counts = list(dict.fromkeys(row.n_seeds for row in line))
    if len(counts) > 1:
        counts = [row.n_seeds for row in line]
    expected = line[0].n_seeds + line[0].seeds_failed
    shown = " / ".join(map(str, counts))
    return shown if counts == [expected] else f"{shown} of {expected}"


def _chance_row(line: Sequence[SummaryRow]) -> list[str]:
    values = [fraction(row.chance) for row in line]
    return ["chance", *values, ""]
