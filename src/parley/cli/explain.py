"""`parley explain`: where a file comes from, and which files depend on it."""

import argparse
import contextlib
import sys
from pathlib import Path

from parley.cli.shared import Subparsers


def add(commands: Subparsers) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "explain",
        help="show where a file comes from, back to the URLs of its images, and which files depend on it",
        description="Trace a file back through the jobs that made it to the original inputs, and forward to the files "
        "made from it. Files of the same kind share a line, and each is listed once.",
    )
    parser.add_argument("file", type=Path, help="any file below results/ or resources/")
    parser.add_argument("--full", action="store_true", help="list every file, and the URL of every image")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Print the file's history."""
    from parley.provenance.explanation import explain
    from parley.provenance.records import existing_workflow_path

    root, path = existing_workflow_path(chosen.file)
    with contextlib.chdir(root):
        sys.stdout.write(explain(path, chosen.full))
