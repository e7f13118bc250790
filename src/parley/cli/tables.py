"""Commands that pass results on: `parley compare` and `insert` for Markdown pages, `push-dataset` for the Hub."""

import argparse
import logging
import sys
from pathlib import Path

from parley.analysis.comparisons import METRICS, as_markdown, changes, only, read_runs
from parley.cli.shared import Subparsers, insert_table, require_files
from parley.core.markdown import only_columns
from parley.core.text import text_lines

logger = logging.getLogger(__name__)


def add_compare(commands: Subparsers) -> None:
    """Add the argument parser of `parley compare`."""
    parser = commands.add_parser(
        "compare",
        help="compare runs with a base run, within one experiment or across several",
        description="Compare runs with a base run over the seeds that both runs have. A star marks p < 0.05 in a "
        "paired t-test, Holm-corrected over the runs of the table for each metric.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="results/EXPERIMENT", help="folders of experiments")
    parser.add_argument(
        "--base",
        required=True,
        metavar="RUN",
        help="the base run; write EXPERIMENT/RUN if you give several experiments",
    )
    parser.add_argument(
        "--run",
        action="append",
        dest="runs",
        help="a run to compare with the base run; may be repeated; all by default",
    )
    parser.add_argument("--part", default="test", help="the split to compare on; test by default")
    parser.add_argument(
        "--metric",
        action="append",
        help=f"a metric of evaluation.json; may be repeated; by default {', '.join(METRICS)}",
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="PAGE",
        help="a Markdown page with markers, between which the table is written; by default it is printed",
    )
    parser.add_argument(
        "--name", default="changes", help="the name in the page's markers, <!-- table NAME -->; by default `changes`"
    )
    parser.set_defaults(run=run_compare)


def run_compare(chosen: argparse.Namespace) -> None:
    """Compare runs; print the table or insert it into a Markdown page."""
    runs = read_runs(chosen.folders)
    if chosen.runs:
        runs = only(runs, [chosen.base, *chosen.runs])
    metrics = chosen.metric or METRICS
    found = changes(runs, chosen.base, chosen.part, metrics)
    lines = as_markdown(found, runs, chosen.base, chosen.part, metrics)
    if chosen.into is None:
        sys.stdout.writelines(f"{line}\n" for line in lines)
    else:
        insert_table(chosen.into, chosen.name, lines)


def add_insert(commands: Subparsers) -> None:
    """Add the argument parser of `parley insert`."""
    parser = commands.add_parser("insert", help="insert a table of results into a Markdown page")
    parser.add_argument("table", type=Path, help="the table, such as results/<experiment>/claims.md")
    parser.add_argument("--into", type=Path, required=True, metavar="PAGE", help="a page with markers for the table")
    parser.add_argument("--name", required=True, help="the name in the page's markers, <!-- table NAME -->")
    parser.add_argument(
        "--column", action="append", dest="columns", help="a column to insert; may be repeated; all by default"
    )
    parser.set_defaults(run=run_insert)


def run_insert(chosen: argparse.Namespace) -> None:
    """Insert a table from a file into a Markdown page."""
    require_files([chosen.table])
    lines = list(text_lines(chosen.table))
    insert_table(chosen.into, chosen.name, only_columns(lines, chosen.columns) if chosen.columns else lines)


def add_push_dataset(commands: Subparsers) -> None:
    """Add the argument parser of `parley push-dataset`."""
    parser = commands.add_parser(
        "push-dataset",
        help="upload the dialogues of an experiment to the Hugging Face Hub",
        description="Upload the dataset that the target `hub` exports: a card and Parquet files with messages and "
        "answers, no images. Needs the package huggingface_hub (uv sync --extra hub) and a login (uv run hf auth "
        "login).",
    )
    parser.add_argument("results", type=Path, help="a results folder, such as results/world")
    parser.add_argument("repository", metavar="ORG/NAME", help="the dataset to create or replace")
    parser.add_argument("--public", action="store_true", help="let everyone see a new dataset; private by default")
    parser.add_argument(
        "--license", metavar="ID", help="the Hub's identifier of the dialogues' licence, such as cc-by-4.0"
    )
    parser.set_defaults(run=run_push_dataset)


def run_push_dataset(chosen: argparse.Namespace) -> None:
    """Upload an exported dataset."""
    from parley.export.upload import upload

    address = upload(chosen.results / "export" / "hub", chosen.repository, chosen.public, chosen.license)
    logger.info("%s has the dialogues of %s.", address, chosen.results)
