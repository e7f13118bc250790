"""`parley crate`: an experiment as one zip that can be deposited with its history."""

import argparse
import contextlib
import logging
from pathlib import Path

from parley.cli.shared import Subparsers

logger = logging.getLogger(__name__)


def add(commands: Subparsers) -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "crate",
        help="pack an experiment as an RO-Crate, to be deposited with its history",
        description="Pack an experiment, the workflow's code and the records of every job as an RO-Crate. Pictures, "
        "their features and pages that show them are left out, since they are seldom ours to pass on: the crate names "
        "them by SHA-256, and images.tsv has their addresses.",
    )
    parser.add_argument("results", type=Path, help="a results folder, such as results/world")
    parser.add_argument("--out", type=Path, required=True, metavar="ZIP", help="the zip to write")
    parser.add_argument("--pictures", action="store_true", help="hold pictures and features too: you have the right to")
    parser.add_argument(
        "--author",
        action="append",
        default=[],
        metavar="NAME",
        help="who made the experiment; may be repeated; by default the authors of Parley (CITATION.cff)",
    )
    parser.add_argument("--license", metavar="SPDX", help="licence to pass it on under; by default Parley's")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Pack it."""
    from parley.provenance.crate import project_folder, write_crate
    from parley.provenance.crate_metadata import About, Person, Rights, cited
    from parley.provenance.records import existing_workflow_path

    root, results = existing_workflow_path(chosen.results)
    project = project_folder([root, Path(__file__).resolve().parents[3]])
    software = cited(project / "CITATION.cff")
    rights = Rights([Person(name) for name in chosen.author] or software.authors, chosen.license or software.license)
    out = chosen.out.absolute()
    with contextlib.chdir(root):
        choice = write_crate(results, out, About(rights, software), project, chosen.pictures)
    held = out.stat().st_size / 2**20
    logger.info("%s: %d files of the experiment, %.1f MiB", chosen.out, len(choice.included), held)
    if choice.omitted:
        logger.info(
            "Left out and named by their hash: %d pictures, features and pages with pictures; --pictures takes them in "
            "where you may pass them on.",
            len(choice.omitted),
        )
