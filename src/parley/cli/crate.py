"""`parley crate`: pack an experiment and its provenance as one zip (an RO-Crate)."""

import argparse
import contextlib
import logging
from pathlib import Path

from parley.cli.shared import Subparsers

logger = logging.getLogger(__name__)


def add(commands: Subparsers) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "crate",
        help="pack an experiment with its provenance as an RO-Crate, ready to deposit",
        description="Pack an experiment, the workflow's code and the records of every job as an RO-Crate. Images, "
        "their features and pages that show them are left out, because they are rarely free to redistribute: the crate "
        "lists their SHA-256, and images.tsv has their URLs.",
    )
    parser.add_argument("results", type=Path, help="a results folder, such as results/world")
    parser.add_argument("--out", type=Path, required=True, metavar="ZIP", help="the zip to write")
    parser.add_argument(
        "--pictures", action="store_true", help="include images and features; only if you may redistribute them"
    )
    parser.add_argument(
        "--author",
        action="append",
        default=[],
        metavar="NAME",
        help="an author of the experiment; may be repeated; by default the authors of Parley (CITATION.cff)",
    )
    parser.add_argument("--license", metavar="SPDX", help="licence of the crate; by default Parley's")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Write the crate."""
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
    size = out.stat().st_size / 2**20
    logger.info("%s: %d files of the experiment, %.1f MiB", chosen.out, len(choice.included), size)
    if choice.omitted:
        logger.info(
            "Left out, listed by hash: %d images, feature files and pages with images; add --pictures to include them "
            "if you may redistribute them.",
            len(choice.omitted),
        )
