"""`parley verify`: whether an experiment's files are still what they were made to be."""

import argparse
import contextlib
import sys
from pathlib import Path

from parley.cli.shared import Subparsers
from parley.core.errors import ParleyError

DIFFERS, CANNOT_TELL = 1, 2
"""Exit statuses beside 0, that everything is the same."""


def add(commands: Subparsers) -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "verify",
        help="hash an experiment's files and say what no longer matches its provenance.json",
        description="Hash every file of an experiment and everything that it was made of. Exit status 0: all is as "
        "provenance.json says; 1: something is changed, missing or unknown; 2: it cannot be told.",
    )
    parser.add_argument("results", type=Path, help="a results folder, such as results/world")
    parser.add_argument("--full", action="store_true", help="list every file that does not match, not the first ten")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Check the files."""
    from parley.provenance.records import existing_workflow_path
    from parley.provenance.verification import as_text, verify

    try:
        root, results = existing_workflow_path(chosen.results)
        with contextlib.chdir(root):
            verdict = verify(results)
    except ParleyError as error:
        sys.stderr.writelines(f"{finding}\n" for finding in error.findings)
        return CANNOT_TELL
    sys.stdout.write(as_text(verdict, chosen.results, None if chosen.full else 10))
    return 0 if verdict.holds else DIFFERS
