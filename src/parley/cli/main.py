"""The `parley` command line: commands that are not stages of the workflow."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parley import __version__
from parley.cli import checkpoints, clean, config_docs, provenance, run, status, tables, wnid
from parley.cli.shared import finish
from parley.core.errors import did_you_mean
from parley.core.files import expand_home
from parley.core.installation import as_typed

ADD_COMMANDS = (
    run.add_run,
    run.add_init,
    status.add,
    checkpoints.add_evaluate,
    checkpoints.add_messages,
    checkpoints.add_talk,
    checkpoints.add_train,
    tables.add_compare,
    tables.add_insert,
    tables.add_push_dataset,
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
        description="Run the workflow, and commands for single runs, files and experiments.",
        epilog=as_typed("`uv run parley COMMAND --help` explains a command."),
    )
    parser.add_argument("--version", action="version", version=f"parley {__version__}", help="print the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in ADD_COMMANDS:
        add(commands)
    return parser, commands.choices


def _expanded(value: Any) -> Any:
    """Expand `~` in paths, also in lists of paths. Shells leave it in arguments such as --out=~/results."""
    if isinstance(value, list):
        return [_expanded(one) for one in value]
    return expand_home(value) if isinstance(value, Path) else value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status. Without a command, print the help."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = make_parser()
    # Without this check, argparse would list all commands, but would not suggest one.
    if given and not given[0].startswith("-") and given[0] not in commands:
        hint = did_you_mean(given[0], commands, as_typed("`uv run parley --help` lists the commands."))
        parser.error(f"there is no command {given[0]!r}; {hint}")
    # Arguments after `run` are passed on unchanged, which argparse would not do for `--`.
    chosen = parser.parse_args((given[:1] if given[:1] == ["run"] else given) or ["--help"])
    for name, value in vars(chosen).items():
        setattr(chosen, name, _expanded(value))
    chosen.given = given[1:]
    return finish(chosen.run, chosen)


if __name__ == "__main__":
    sys.exit(main())
