"""`parley talk`: run a dialogue of a trained run about any image file."""

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from parley.cli.shared import Subparsers, add_threads, positive, require_files
from parley.core.errors import ParleyError
from parley.provenance.records import existing_workflow_path


def add(commands: Subparsers) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "talk",
        help="run a dialogue about an image and print it",
        description="Extract an image's features with the experiment's own preprocessing and network, and run the "
        "dialogue of a trained run about it.",
    )
    parser.add_argument("image", type=Path, help="an image file")
    parser.add_argument("--run", required=True, dest="run_name", metavar="RUN", help="a run of the experiment")
    parser.add_argument("--seed", type=int, help="a seed of the run; by default the first trained one")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="results/<e>; by default the only folder in results/"
    )
    parser.add_argument(
        "--candidates",
        choices=("seen", "all"),
        default="seen",
        help="candidate classes: those trained on (seen, the default), or all described classes (all)",
    )
    parser.add_argument(
        "--top", type=positive, default=5, metavar="N", help="number of classes shown at each exchange; 5 by default"
    )
    parser.add_argument("--letters", action="store_true", help="show five bits as a letter")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    add_threads(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Run the dialogue and print it."""
    require_files([chosen.image])
    image, (root, results) = chosen.image.absolute(), existing_workflow_path(chosen.results or only_results())
    import torch

    from parley.evaluation.single_image import as_text, as_values, open_session, run_dialogue

    torch.set_num_threads(chosen.threads)
    with contextlib.chdir(root), _quiet("parley.features", "parley.core.progress"):
        session = open_session(results, chosen.run_name, chosen.seed)
        result = run_dialogue(image, session, chosen.candidates, chosen.threads)
    result = result._replace(image=chosen.image)
    text = json.dumps(as_values(result), ensure_ascii=False) + "\n" if chosen.json else ""
    sys.stdout.write(text or as_text(result, chosen.letters, chosen.top))


@contextlib.contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Log errors only: progress on a single image is noise."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def only_results() -> Path:
    """Return the only results folder of the working folder.

    Raises
    ------
    ParleyError
        If there is none, or more than one.
    """
    found = sorted(path.parent for path in Path("results").glob("*/config.yaml"))
    if len(found) == 1:
        return found[0]
    names = f"found {', '.join(map(str, found))}" if found else "found none in results/"
    raise ParleyError(f"Name an experiment with --results results/<e>; {names}.")
