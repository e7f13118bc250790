"""`parley insert`: put a table that the workflow wrote into a page."""

import argparse
from pathlib import Path

from parley.cli.shared import Subparsers, insert_table, require_files


def add(commands: Subparsers) -> None:
    """Say what the command takes."""
    parser = commands.add_parser("insert", help="put a table that the workflow wrote into a page of Markdown")
    parser.add_argument("table", type=Path, help="such as results/<experiment>/claims.md")
    parser.add_argument("--into", type=Path, required=True, metavar="PAGE", help="a page with a place for it")
    parser.add_argument("--name", required=True, help="of the place")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Replace the table in the page."""
    require_files([chosen.table])
    insert_table(chosen.into, chosen.name, chosen.table.read_text(encoding="utf-8").splitlines())
