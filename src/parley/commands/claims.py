"""`parley claims`: put the table of claims of an experiment into a page."""

import argparse
from pathlib import Path

from parley.claims.table import as_markdown, insert_table
from parley.commands.shared import Subparsers
from parley.errors import ParleyError
from parley.files import read_json, write_text


def add(commands: Subparsers) -> None:
    """Say what the command takes."""
    parser = commands.add_parser("claims", help="put an experiment's table of claims into a page of Markdown")
    parser.add_argument("claims", type=Path, help="results/<experiment>/claims.json")
    parser.add_argument("--into", type=Path, required=True, metavar="PAGE", help="a page with a place for it")
    parser.add_argument("--name", help="of the place; the experiment's by default")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Replace the table in the page."""
    name = chosen.name or chosen.claims.absolute().parent.name
    rows = read_json(chosen.claims)["rows"]
    try:
        page = chosen.into.read_text(encoding="utf-8")
        write_text(chosen.into, insert_table(page, name, as_markdown(rows)))
    except OSError as error:
        raise ParleyError(f"{chosen.into} cannot be read ({error.strerror}); name a page.") from error
    except ParleyError as error:
        raise ParleyError(f"{chosen.into}: {finding}" for finding in error.findings) from error
