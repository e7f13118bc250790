"""`parley explain`: where a file comes from, and what was made of it."""

import argparse
import contextlib
import sys
from pathlib import Path

from parley.cli.shared import Subparsers


def add(commands: Subparsers) -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "explain",
        help="show where a file comes from, back to the URLs of its pictures, and what was made of it",
        description="Walk a file back through the jobs that made it to what nobody made, and forward to what was made "
        "of it. Files that are alike stand in one line, and each is told once.",
    )
    parser.add_argument("file", type=Path, help="any file below results/ or resources/")
    parser.add_argument("--full", action="store_true", help="list every file, and the address of every picture")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Show it."""
    from parley.provenance.explanation import explain
    from parley.provenance.records import existing_workflow_path

    root, path = existing_workflow_path(chosen.file)
    with contextlib.chdir(root):
        sys.stdout.write(explain(path, chosen.full))
