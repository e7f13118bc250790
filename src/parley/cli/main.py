"""The `parley` command line: commands that are not stages of the workflow."""

import argparse
import sys
from collections.abc import Sequence

from parley import __version__
from parley.cli import checkpoints, clean, config_docs, provenance, status, tables, wnid
from parley.cli.shared import finish
from parley.core.errors import did_you_mean

ADD_COMMANDS = (
    status.add,
    checkpoints.add_evaluate,
    checkpoints.add_messages,
    checkpoints.add_talk,
    checkpoints.add_train,
    tables.add_compare,
    tables.add_insert,
    provenance.add_explain,
    provenance.add_verify,
    provenance.add_crate,
    clean.add,
    config_docs.add,
    wnid.add,
)


def make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the command line, and each command's own parser by the command's name."""
    parser = argparse.ArgumentParser(
        prog="parley",
        description="Commands for single runs, files and experiments, outside the Snakemake workflow.",
        epilog="`uv run parley COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"parley {__version__}", help="print the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in ADD_COMMANDS:
        add(commands)
    return parser, commands.choices


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status. Without a command, print the help."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = make_parser()
    # Without this check, argparse would list all commands, but would not suggest one.
    if given and not given[0].startswith("-") and given[0] not in commands:
        hint = did_you_mean(given[0], commands, "`uv run parley --help` lists the commands.")
        parser.error(f"there is no command {given[0]!r}; {hint}")
    chosen = parser.parse_args(given or ["--help"])
    return finish(chosen.run, chosen)


if __name__ == "__main__":
    sys.exit(main())
