"""`parley evaluate`: evaluate any checkpoint on any file of features."""

import argparse
from pathlib import Path

from parley.cli.shared import (
    Subparsers,
    add_candidates,
    add_text,
    add_threads,
    find_schema,
    positive,
    require_files,
)
from parley.config.schema import read_schema


def add(commands: Subparsers) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "evaluate",
        help="evaluate a checkpoint on files of features",
        description="Evaluate a checkpoint on files of features, Parley's or the 2017 code's, and write "
        "evaluation.json, eval.csv and a confusion matrix for each file.",
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, such as best.pt")
    parser.add_argument("--features", type=Path, required=True, nargs="+", metavar="HDF5", help="files of features")
    add_text(parser)
    add_candidates(parser)
    parser.add_argument("--k", type=positive, default=6, help="the K of accuracy@K; 6 by default")
    parser.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change game settings, such as shuffle=sender or corrupt_bits=0:3",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the output folder")
    add_threads(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Evaluate the checkpoint."""
    require_files([chosen.checkpoint, *chosen.features, chosen.descriptions, chosen.words])
    import torch

    from parley.evaluation.legacy_eval import evaluate_files

    torch.set_num_threads(chosen.threads)
    evaluate_files(
        chosen.checkpoint,
        chosen.features,
        chosen.descriptions,
        chosen.words,
        chosen.candidates,
        chosen.k,
        chosen.out,
        [*chosen.set],
        read_schema(find_schema()) if chosen.set else None,
    )
