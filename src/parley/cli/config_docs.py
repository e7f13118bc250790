"""`parley config-docs`: write config/README.md from the config's schema."""

import argparse
from pathlib import Path

from parley.cli.shared import Subparsers, find_schema
from parley.config.schema import read_schema
from parley.config.schema_docs import render
from parley.core.files import write_text


def add(commands: Subparsers) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("config-docs", help="write config/README.md from the config's schema")
    parser.add_argument("--out", type=Path, default=Path("config/README.md"))
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Write the file."""
    write_text(chosen.out, render(read_schema(find_schema())))
