"""Commands for the origin of files: `parley explain`, `verify` and `crate`."""

import argparse
import logging
import sys
from pathlib import Path

from parley.cli.shared import Subparsers, workflow_folder
from parley.core.installation import PROJECT

logger = logging.getLogger(__name__)


def add_explain(commands: Subparsers) -> None:
    """Add the argument parser of `parley explain`."""
    parser = commands.add_parser(
        "explain",
        help="show where a file comes from, back to the URLs of its images, and which files depend on it",
        description="Trace a file back through the jobs that made it to the original inputs, and forward to the files "
        "made from it. Files of the same kind share a line, and each is listed once.",
    )
    parser.add_argument("file", type=Path, help="any file below results/ or resources/")
    parser.add_argument("--full", action="store_true", help="list every file, and the URL of every image")
    parser.set_defaults(run=run_explain)


def run_explain(chosen: argparse.Namespace) -> None:
    """Print the origin of a file and the files that depend on it."""
    from parley.provenance.explanation import explain

    with workflow_folder(chosen.file) as path:
        sys.stdout.write(explain(path, chosen.full))


def add_verify(commands: Subparsers) -> None:
    """Add the argument parser of `parley verify`."""
    parser = commands.add_parser(
        "verify",
        help="hash an experiment's files and list those that do not match its provenance.json",
        description="Hash every file of an experiment and all its inputs. Exit status 0: every file matches "
        "provenance.json; 1: a file is changed, missing, unknown or edited; 2: the check cannot run.",
    )
    parser.add_argument("results", type=Path, help="a results folder, such as results/world")
    parser.add_argument(
        "--full", action="store_true", help="list every file that does not match, not just the first ten"
    )
    parser.set_defaults(run=run_verify, status_of_error=2)


def run_verify(chosen: argparse.Namespace) -> int:
    """Check an experiment's files against the hashes in its `provenance.json`."""
    from parley.provenance.verification import as_text, verify

    with workflow_folder(chosen.results) as results:
        verdict = verify(results)
    sys.stdout.write(as_text(verdict, chosen.results, None if chosen.full else 10))
    return 0 if verdict.holds else 1


def add_crate(commands: Subparsers) -> None:
    """Add the argument parser of `parley crate`."""
    parser = commands.add_parser(
        "crate",
        help="pack an experiment with its provenance as an RO-Crate, ready to deposit",
        description="Pack an experiment, the workflow's code and the records of every job as an RO-Crate. Images, "
        "their features and pages that show them are left out, because few licences permit redistribution: the crate "
        "lists their SHA-256, and images.tsv contains the URLs of the images.",
    )
    parser.add_argument("results", type=Path, help="a results folder, such as results/world")
    parser.add_argument("--out", type=Path, required=True, metavar="ZIP", help="the zip to write")
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="also pack images, features and pages that show images; only if you may redistribute them",
    )
    parser.add_argument(
        "--author",
        action="append",
        default=[],
        metavar="NAME",
        help="an author of the experiment; may be repeated; by default the authors of Parley (CITATION.cff)",
    )
    parser.add_argument(
        "--license", metavar="SPDX", help="SPDX identifier of the crate's licence; by default that of Parley"
    )
    parser.set_defaults(run=run_crate)


def run_crate(chosen: argparse.Namespace) -> None:
    """Write an experiment and its provenance to an RO-Crate."""
    from parley.provenance.crate import write_crate

    out = chosen.out.absolute()
    with workflow_folder(chosen.results) as results:
        included, omitted = write_crate(results, out, PROJECT, chosen.author, chosen.license, chosen.pictures)
    size = out.stat().st_size / 2**20
    logger.info("%s: %d files of the experiment, %.1f MiB", chosen.out, len(included), size)
    if omitted:
        logger.info(
            "%d files (images, feature files and pages that contain images) are not included; only their hashes are "
            "listed. Add --pictures to include them, if you have the right to redistribute them.",
            len(omitted),
        )
