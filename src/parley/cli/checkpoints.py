"""Commands that train a run or use one checkpoint: `parley train`, `evaluate`, `messages` and `talk`."""

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from parley.cli.shared import (
    Subparsers,
    add_candidates,
    add_text,
    add_threads,
    positive,
    require_files,
    workflow_folder,
)
from parley.config.saved_configs import overridden, read_run
from parley.config.schema import read_schema
from parley.core.errors import ParleyError
from parley.core.installation import SCHEMA
from parley.interaction.eval_sets import DEFAULT_K
from parley.training.checkpoint_selection import RULES, select

logger = logging.getLogger(__name__)


def add_train(commands: Subparsers) -> None:
    """Add the argument parser of `parley train`."""
    parser = commands.add_parser(
        "train",
        help="train a run with the settings of an existing config.json, some of them changed",
        description="Train one run with one seed and the settings in the config.json of an earlier run, and select its "
        "checkpoint. If a run was interrupted, the same command resumes it.",
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
    parser.add_argument(
        "--dev", type=Path, required=True, metavar="HDF5", help="features of the dev split, to select the checkpoint by"
    )
    add_text(parser)
    parser.add_argument(
        "--dev-descriptions", type=Path, metavar="CSV", help="descriptions for the dev split, if they differ"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the run's folder")
    parser.add_argument(
        "--rule",
        choices=tuple(RULES),
        default="accuracy@k",
        help="rule that selects the checkpoint from the results on the dev split; accuracy@k by default",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a finished run in the folder")
    add_threads(parser)
    parser.set_defaults(run=run_train)


def run_train(chosen: argparse.Namespace) -> None:
    """Train a run from an existing config.json and select its checkpoint."""
    require_files([chosen.config, chosen.train, chosen.dev, chosen.descriptions, chosen.words])
    require_files([chosen.dev_descriptions] if chosen.dev_descriptions else [])
    seed = [] if chosen.seed is None else [f"seed={chosen.seed}"]
    settings = overridden(read_run(chosen.config), [*chosen.set, *seed], read_schema(SCHEMA))
    if (chosen.out / "config.json").exists() and not chosen.overwrite:
        raise ParleyError(
            f"{chosen.out} contains a finished run; give another folder, or add --overwrite to replace it."
        )
    import torch

    from parley.plugins.recorded import load_plugins_of
    from parley.runtime.code_digest import combined, package_digest
    from parley.training.loop import train_from_files

    torch.set_num_threads(chosen.threads)
    parts = {"train": str(chosen.train), "dev": str(chosen.dev)}
    plugins = load_plugins_of(chosen.config)
    settings.pop("plugins", None)
    digests = {label: digest for of_file in plugins.values() for label, digest in of_file.items()}
    code = combined(package_digest("parley.training.loop"), digests)
    text = (str(chosen.descriptions), str(chosen.words))
    other = str(chosen.dev_descriptions) if chosen.dev_descriptions else None
    train_from_files([settings], parts, *text, [chosen.out], code, other, plugins=plugins)
    select(chosen.out, chosen.rule)


def add_evaluate(commands: Subparsers) -> None:
    """Add the argument parser of `parley evaluate`."""
    parser = commands.add_parser(
        "evaluate",
        help="evaluate a checkpoint on files of features",
        description="Evaluate a checkpoint on files of features, written by Parley or by the 2017 code, and "
        "write evaluation.json, eval.csv and a confusion matrix for each file.",
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, such as best.pt")
    parser.add_argument("--features", type=Path, required=True, nargs="+", metavar="HDF5", help="files of features")
    add_text(parser)
    add_candidates(parser)
    parser.add_argument(
        "--k",
        type=positive,
        help=f"the K of accuracy@K; by default that of the run, from the config.json in its folder, or {DEFAULT_K}",
    )
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
    parser.set_defaults(run=run_evaluate)


def run_evaluate(chosen: argparse.Namespace) -> None:
    """Evaluate a checkpoint on feature files and write the results."""
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
        read_schema(SCHEMA) if chosen.set else None,
    )


SHOWN_IN_LETTERS = 3
"""Number of dialogues to print if `--letters` is given without `--show`."""


def add_messages(commands: Subparsers) -> None:
    """Add the argument parser of `parley messages`."""
    parser = commands.add_parser(
        "messages",
        help="write the messages of a checkpoint's agents about the images of a feature file",
        description="Run a checkpoint on a file of features, written by Parley or by the 2017 code, and write all "
        "messages and predictions to an HDF5 file in the format of the 2017 code (two tables).",
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, such as best.pt")
    parser.add_argument("--features", type=Path, required=True, metavar="HDF5", help="a file of features")
    add_text(parser)
    add_candidates(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="HDF5", help="the file to write")
    parser.add_argument(
        "--attention", type=Path, metavar="HDF5", help="also write the agents' attention weights to this file"
    )
    parser.add_argument(
        "--show", type=positive, metavar="N", help="also print N dialogues, evenly spaced over the file"
    )
    parser.add_argument(
        "--letters",
        action="store_true",
        help=f"print every five bits as a letter; without --show, print {SHOWN_IN_LETTERS} dialogues",
    )
    add_threads(parser)
    parser.set_defaults(run=run_messages)


def run_messages(chosen: argparse.Namespace) -> None:
    """Write a checkpoint's messages to a file and print some of the dialogues."""
    require_files([chosen.checkpoint, chosen.features, chosen.descriptions, chosen.words])
    import torch

    from parley.evaluation.any_checkpoint import open_checkpoint, run_on_file
    from parley.evaluation.attention import require_attention, write_attention
    from parley.evaluation.messages import write_messages
    from parley.interaction.transcript import sample_dialogues

    torch.set_num_threads(chosen.threads)
    loaded = open_checkpoint(chosen.checkpoint, chosen.descriptions, chosen.words)
    if chosen.attention:
        require_attention(loaded.checkpoint, chosen.checkpoint)
    spec, dialogues = run_on_file(loaded, chosen.features, chosen.candidates)
    about = {**loaded.about, "part": chosen.features.stem, "step": loaded.checkpoint.step}
    write_messages(chosen.out, dialogues, spec, about, loaded.checkpoint.game.channel)
    if chosen.attention:
        write_attention(chosen.attention, loaded.checkpoint, spec, chosen.descriptions, chosen.words, about)
    keys = spec.part.keys
    count = len(keys)
    logger.info("%s: %d dialogues of %s", chosen.out, count, chosen.features)
    rows = spread(chosen.show or (SHOWN_IN_LETTERS if chosen.letters else 0), count)
    sys.stdout.write(sample_dialogues(dialogues, spec.target_index, spec.labels, rows, keys, chosen.letters))


def spread(wanted: int, count: int) -> list[int]:
    """Return `wanted` evenly spaced row numbers below `count`, starting at 0; all if `count` is less than `wanted`."""
    wanted = min(wanted, count)
    return [number * count // wanted for number in range(wanted)]


def add_talk(commands: Subparsers) -> None:
    """Add the argument parser of `parley talk`."""
    parser = commands.add_parser(
        "talk",
        help="run a dialogue about an image and print it",
        description="Extract an image's features with the preprocessing and the network of the experiment, and let "
        "the agents of a trained run exchange messages about it.",
    )
    parser.add_argument("image", type=Path, help="an image file")
    parser.add_argument(
        "--run", dest="run_name", metavar="RUN", help="a run of the experiment; by default the only one"
    )
    parser.add_argument("--seed", type=int, help="a seed of the run; by default the first trained one")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        help="the experiment's folder, results/<e>; by default the only one in results/",
    )
    parser.add_argument(
        "--candidates",
        choices=("seen", "all"),
        default="seen",
        help="candidate classes: seen (those in training, the default) or all (all described classes)",
    )
    parser.add_argument(
        "--top", type=positive, default=5, metavar="N", help="number of classes shown at each exchange; 5 by default"
    )
    parser.add_argument("--letters", action="store_true", help="print every five bits as a letter")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    add_threads(parser)
    parser.set_defaults(run=run_talk)


def run_talk(chosen: argparse.Namespace) -> None:
    """Run a dialogue about an image and print it."""
    require_files([chosen.image])
    image, folder = chosen.image.absolute(), chosen.results or only_results()
    with workflow_folder(folder) as results, _quiet("parley.features", "parley.core.progress"):
        import torch

        from parley.evaluation.single_image import as_text, as_values, open_session, run_dialogue

        torch.set_num_threads(chosen.threads)
        session = open_session(results, chosen.run_name, chosen.seed)
        result = run_dialogue(image, session, chosen.candidates, chosen.threads)
    result = result._replace(image=chosen.image)
    text = json.dumps(as_values(result), ensure_ascii=False) + "\n" if chosen.json else ""
    sys.stdout.write(text or as_text(result, chosen.letters, chosen.top))


@contextlib.contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Let the named loggers log only errors in the `with` block. Progress on a single image is not of interest."""
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
    """Return the results folder of the only experiment in the working folder.

    Raises
    ------
    ParleyError
        If there is no experiment, or more than one.
    """
    found = sorted(path.parent for path in Path("results").glob("*/config.yaml"))
    if len(found) == 1:
        return found[0]
    names = f"found {', '.join(map(str, found))}" if found else "found none in results/"
    raise ParleyError(f"Give the experiment's folder with --results results/<e>; {names}.")
