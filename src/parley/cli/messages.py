"""`parley messages`: what the agents say about a file of features, for a program and for a person."""

import argparse
import logging
import sys
from pathlib import Path

from parley.cli.shared import Subparsers, add_candidates, add_text, add_threads, positive, require_files

logger = logging.getLogger(__name__)
SHOWN_IN_LETTERS = 3
"""Dialogues shown where `--letters` comes without `--show`."""


def add(commands: Subparsers) -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "messages",
        help="write down what a checkpoint's agents say about a file of features",
        description="Play a checkpoint on a file of features, Parley's or the 2017 code's, and write all that was said "
        "as the 2017 code's two tables.",
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, such as best.pt")
    parser.add_argument("--features", type=Path, required=True, metavar="HDF5", help="a file of features")
    add_text(parser)
    add_candidates(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="HDF5", help="the file to write")
    parser.add_argument(
        "--attention", type=Path, metavar="HDF5", help="another file, for what the agents attended to meanwhile"
    )
    parser.add_argument("--show", type=positive, metavar="N", help="show N dialogues, spread over the file")
    parser.add_argument(
        "--letters",
        action="store_true",
        help=f"show five bits as a letter; without --show, {SHOWN_IN_LETTERS} dialogues",
    )
    add_threads(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Write down the messages, and show some."""
    require_files([chosen.checkpoint, chosen.features, chosen.descriptions, chosen.words])
    import torch

    from parley.evaluation.any_checkpoint import evaluate_file, open_checkpoint
    from parley.evaluation.attention import require_attention, write_attention
    from parley.evaluation.messages import write_messages
    from parley.interaction.transcript import sample_dialogues

    torch.set_num_threads(chosen.threads)
    loaded = open_checkpoint(chosen.checkpoint, chosen.descriptions, chosen.words)
    if chosen.attention:
        require_attention(loaded.checkpoint, chosen.checkpoint)
    predictions = evaluate_file(loaded, chosen.features, chosen.candidates)
    about = {**loaded.about, "part": chosen.features.stem, "step": loaded.checkpoint.step}
    channel = loaded.checkpoint.game.channel
    write_messages(
        chosen.out, predictions.played, predictions.keys, predictions.labels, predictions.candidate_ids, about, channel
    )
    if chosen.attention:
        write_attention(chosen.attention, loaded.checkpoint, predictions.spec, chosen.descriptions, about)
    count = len(predictions.keys)
    logger.info("%s: %d dialogues of %s", chosen.out, count, chosen.features)
    if alike := count - len(set(predictions.keys)):
        logger.warning("%d images have the key of another; their dialogues cannot be told apart by ExampleId.", alike)
    rows = spread(chosen.show or (SHOWN_IN_LETTERS if chosen.letters else 0), count)
    dialogue, places = predictions.played
    sys.stdout.write(sample_dialogues(dialogue, places, predictions.labels, rows, predictions.keys, chosen.letters))


def spread(wanted: int, count: int) -> list[int]:
    """Return so many row numbers out of `count`, or all there are, evenly spaced from the first on."""
    wanted = min(wanted, count)
    return [place * count // wanted for place in range(wanted)]
