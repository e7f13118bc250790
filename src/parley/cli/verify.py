"""`parley verify`: check an experiment's files against its provenance.json."""

import argparse
import contextlib
import sys
from pathlib import Path

from parley.cli.shared import Subparsers
from parley.core.errors import ParleyError

DIFFERS, CANNOT_TELL = 1, 2
"""Exit statuses for a mismatch and for a check that cannot run; 0 if every file matches."""


def add(commands: Subparsers) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "verify",
        help="hash an experiment's files and list those that do not match its provenance.json",
        description="Hash every file of an experiment and all its inputs. Exit status 0: every file matches "
        "provenance.json; 1: a file is changed, missing or unknown; 2: the check cannot run.",
    )
    parser.add_argument("results", type=Path, help="a results folder, such as results/world")
    parser.add_argument(
        "--full", action="store_true", help="list every file that does not match, not just the first ten"
    )
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
