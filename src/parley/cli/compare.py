"""`parley compare`: what each run of one experiment, or of several, adds to a base run."""

import argparse
import sys
from pathlib import Path

from parley.analysis.changes import METRICS, as_markdown, changes, only, read_runs
from parley.cli.shared import Subparsers, insert_table


def add(commands: Subparsers) -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "compare",
        help="compare runs, of several experiments too, with a base run",
        description="Compare runs with a base run over the seeds that both have. A star marks p < 0.05 by the paired "
        "t-test, after Holm's correction over the runs of the table, metric by metric.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="results/EXPERIMENT")
    parser.add_argument("--base", required=True, metavar="RUN", help="of several experiments, EXPERIMENT/RUN")
    parser.add_argument("--run", action="append", dest="runs", help="to compare with it, as often as wanted; else all")
    parser.add_argument("--part", default="test")
    parser.add_argument("--metric", action="append", help=f"of evaluation.json; by default {', '.join(METRICS)}")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="a page of Markdown with a place for the table")
    parser.add_argument("--name", default="changes", help="of the place in the page")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Print the table, or put it into the page."""
    runs = read_runs(chosen.folders)
    if chosen.runs:
        runs = only(runs, [chosen.base, *chosen.runs])
    found = changes(runs, chosen.base, chosen.part, chosen.metric or METRICS)
    lines = as_markdown(found, runs, chosen.base, chosen.part)
    if chosen.into is None:
        sys.stdout.writelines(f"{line}\n" for line in lines)
    else:
        insert_table(chosen.into, chosen.name, lines)
