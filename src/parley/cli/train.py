"""`parley train`: train a run from an existing config.json, with some values changed."""

import argparse
from pathlib import Path

from parley.cli.shared import Subparsers, add_text, add_threads, find_schema, require_files
from parley.config.overrides import overridden, read_run
from parley.config.schema import read_schema
from parley.core.errors import ParleyError
from parley.training.checkpoint_selection import RULES, select


def add(commands: Subparsers) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "train",
        help="train a run from an existing config.json, with some values changed",
        description="Train one run with one seed from the config.json of an earlier run, and select its checkpoint. "
        "An interrupted run resumes.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="JSON", help="config.json of a run")
    parser.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="values to change, such as game.message_bits=16",
    )
    parser.add_argument("--seed", metavar="SEED", help="the same as --set seed=SEED")
    parser.add_argument("--train", type=Path, required=True, metavar="HDF5", help="features to train on")
    parser.add_argument("--dev", type=Path, required=True, metavar="HDF5", help="features to select the checkpoint by")
    add_text(parser)
    parser.add_argument(
        "--dev-descriptions", type=Path, metavar="CSV", help="other descriptions to use on the dev split"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the run's folder")
    parser.add_argument(
        "--rule",
        choices=tuple(RULES),
        default="accuracy@k",
        help="rule that selects the checkpoint from the dev results; best accuracy@k by default",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a finished run in the folder")
    add_threads(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Train the run and select its checkpoint."""
    require_files([chosen.config, chosen.train, chosen.dev, chosen.descriptions, chosen.words])
    require_files([chosen.dev_descriptions] if chosen.dev_descriptions else [])
    seed = [] if chosen.seed is None else [f"seed={chosen.seed}"]
    settings = overridden(read_run(chosen.config), [*chosen.set, *seed], read_schema(find_schema()))
    if (chosen.out / "config.json").exists() and not chosen.overwrite:
        raise ParleyError(f"{chosen.out} holds a finished run; name another folder, or add --overwrite to replace it.")
    import torch

    from parley.runtime.code_digest import package_digest
    from parley.training.loop import train_from_files

    torch.set_num_threads(chosen.threads)
    parts = {"train": str(chosen.train), "dev": str(chosen.dev)}
    code = package_digest("parley.training.loop")
    text = (str(chosen.descriptions), str(chosen.words))
    other = str(chosen.dev_descriptions) if chosen.dev_descriptions else None
    train_from_files([settings], parts, *text, [chosen.out], code, other)
    select(chosen.out, chosen.rule)
