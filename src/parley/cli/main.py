"""The `parley` command line: commands that are not stages of the workflow."""

import argparse
import sys
from collections.abc import Sequence

from parley.cli import checkpoints, config_docs, provenance, status, tables
from parley.cli.shared import finish

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
    config_docs.add,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="parley", description="Commands for single runs, files and experiments, outside the Snakemake workflow."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in ADD_COMMANDS:
        add(commands)
    chosen = parser.parse_args(arguments)
    return finish(chosen.run, chosen)


if __name__ == "__main__":
    sys.exit(main())
