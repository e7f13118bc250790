"""`parley claims`: put the table of claims of an experiment into a page."""

import argparse
from pathlib import Path

from parley.claims.table import as_markdown
from parley.commands.shared import Subparsers, fill_place, refuse_missing
from parley.files import read_json


def add(commands: Subparsers) -> None:
    """Say what the command takes."""
    parser = commands.add_parser("claims", help="put an experiment's table of claims into a page of Markdown")
    parser.add_argument("claims", type=Path, help="results/<experiment>/claims.json")
    parser.add_argument("--into", type=Path, required=True, metavar="PAGE", help="a page with a place for it")
    parser.add_argument("--name", help="of the place; the experiment's by default")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Replace the table in the page."""
    refuse_missing([chosen.claims])
    name = chosen.name or chosen.claims.absolute().parent.name
    fill_place(chosen.into, name, as_markdown(read_json(chosen.claims)["rows"]))
