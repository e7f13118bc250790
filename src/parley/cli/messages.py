"""`parley messages`: write and show the agents' messages about a file of features."""

import argparse
import logging
import sys
from pathlib import Path

from parley.cli.shared import Subparsers, add_candidates, add_text, add_threads, positive, require_files

logger = logging.getLogger(__name__)
SHOWN_IN_LETTERS = 3
"""Number of dialogues shown when `--letters` is given without `--show`."""


def add(commands: Subparsers) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "messages",
        help="write a checkpoint's messages about a file of features",
        description="Play a checkpoint on a file of features, Parley's or the 2017 code's, and write all messages "
        "and predictions as the 2017 code's two tables.",
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, such as best.pt")
    parser.add_argument("--features", type=Path, required=True, metavar="HDF5", help="a file of features")
    add_text(parser)
    add_candidates(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="HDF5", help="the file to write")
    parser.add_argument(
        "--attention", type=Path, metavar="HDF5", help="also write the agents' attention weights to this file"
    )
    parser.add_argument("--show", type=positive, metavar="N", help="show N dialogues, evenly spaced over the file")
    parser.add_argument(
        "--letters",
        action="store_true",
        help=f"show five bits as a letter; without --show, {SHOWN_IN_LETTERS} dialogues",
    )
    add_threads(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Write the messages and show some of the dialogues."""
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
    if duplicates := count - len(set(predictions.keys)):
        logger.warning(
            "%d images share their key with another image; ExampleId does not distinguish their dialogues.", duplicates
        )
    rows = spread(chosen.show or (SHOWN_IN_LETTERS if chosen.letters else 0), count)
    dialogue, places = predictions.played
    sys.stdout.write(sample_dialogues(dialogue, places, predictions.labels, rows, predictions.keys, chosen.letters))


def spread(wanted: int, count: int) -> list[int]:
    """Return `wanted` row numbers below `count`, evenly spaced from 0; all rows if there are fewer."""
    wanted = min(wanted, count)
    return [number * count // wanted for number in range(wanted)]
