"""`parley run` and `parley init`: the workflow in any folder, and copies of its configs to edit."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from parley.cli.shared import Subparsers
from parley.cli.status import require_own_code
from parley.core.errors import ParleyError
from parley.core.installation import PROJECT, as_typed, snakemake_options

COPIED = ("config.yaml", "config", "profiles")
"""Files and folders that `parley init` copies."""
START = "import sys; sys.argv[0] = 'snakemake'; from snakemake.cli import main; main()"


def add_run(commands: Subparsers) -> None:
    """Add the argument parser of `parley run`."""
    parser = commands.add_parser(
        "run",
        help="run the workflow in this folder, with the options and targets of snakemake",
        usage="parley run --cores N [options of snakemake] [targets]",
        description="Run the workflow that comes with Parley in the working folder: `parley run` is `snakemake` with "
        "that workflow's Snakefile. Without --configfile, config.yaml is read: that of this folder or, if it has none, "
        "the default experiment's.",
        epilog="For example: parley run --cores all --configfile my.yaml report. `snakemake --help` lists the options.",
    )
    parser.set_defaults(run=lambda chosen: run(chosen, parser))


def run(chosen: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Replace this process by Snakemake's."""
    if {"-h", "--help"} & set(chosen.given[:1]):
        parser.print_help()
        return
    require_own_code("uv run parley run")
    # -P: a file of the working folder, such as random.py, is not a module.
    command = [sys.executable, "-P", "-c", START, *snakemake_options(), *targets_first(chosen.given)]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is meant  # nosec B606


def targets_first(options: Sequence[str]) -> list[str]:
    """Return the options with targets that follow --configfile moved to the front: snakemake takes them for configs."""
    configs = [number for number, option in enumerate(options) if option in ("--configfile", "--configfiles")]
    first = configs[-1] + 2 if configs else len(options)
    after = list(takewhile(lambda option: not option.startswith("-"), options[first:]))
    targets = [option for option in after if Path(option).suffix not in (".yaml", ".yml", ".json")]
    kept = [option for option in after if option not in targets]
    return [*targets, *options[:first], *kept, *options[first + len(after) :]]


def add_init(commands: Subparsers) -> None:
    """Add the argument parser of `parley init`."""
    parser = commands.add_parser(
        "init",
        help="copy Parley's configs and profiles to this folder, to edit them",
        description=f"Copy {', '.join(COPIED)} to the working folder. Nothing that exists is overwritten.",
    )
    parser.set_defaults(run=run_init)


def run_init(_: argparse.Namespace) -> None:
    """Copy the configs and profiles, or raise `ParleyError` if one of them exists."""
    if present := [name for name in COPIED if os.path.lexists(name)]:
        raise ParleyError(f"This folder already has {', '.join(present)}; run `uv run parley init` in an empty folder.")
    for name in COPIED:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copyfile
        copy(PROJECT / name, name)
    told = f"Copied {', '.join(COPIED)}. To run the default experiment: `uv run parley run --cores all`.\n"
    sys.stdout.write(as_typed(told))
