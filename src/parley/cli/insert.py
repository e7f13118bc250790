"""`parley insert`: insert a table that the workflow wrote into a Markdown page."""

import argparse
from pathlib import Path

from parley.cli.shared import Subparsers, insert_table, require_files


def add(commands: Subparsers) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("insert", help="insert a table that the workflow wrote into a Markdown page")
    parser.add_argument("table", type=Path, help="the table, such as results/<experiment>/claims.md")
    parser.add_argument("--into", type=Path, required=True, metavar="PAGE", help="a page with markers for the table")
    parser.add_argument("--name", required=True, help="name of the markers")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Replace the table in the page."""
    require_files([chosen.table])
    insert_table(chosen.into, chosen.name, chosen.table.read_text(encoding="utf-8").splitlines())
