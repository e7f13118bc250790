"""The `parley` command line: everything that is not a stage of the workflow."""

import argparse
from collections.abc import Sequence

from parley.cli import (
    compare,
    config_docs,
    crate,
    evaluate,
    explain,
    insert,
    messages,
    status,
    talk,
    train,
    verify,
)
from parley.cli.shared import finish

COMMANDS = (status, evaluate, messages, talk, train, compare, insert, explain, verify, crate, config_docs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="parley", description="Commands for single runs, files and experiments, outside the Snakemake workflow."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    chosen = parser.parse_args(arguments)
    return finish(chosen.run, chosen)
