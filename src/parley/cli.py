"""The few commands that are not stages of the workflow."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from parley.config import read_schema
from parley.config_docs import render
from parley.errors import ParleyError
from parley.files import write_text

SCHEMA = Path("workflow/schemas/config.schema.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="parley", description="Commands beside the workflow's stages.")
    commands = parser.add_subparsers(dest="command", required=True)
    docs = commands.add_parser("config-docs", help="write config/README.md from the config's schema")
    docs.add_argument("--out", type=Path, default=Path("config/README.md"))
    chosen = parser.parse_args(arguments)
    try:
        _config_docs(chosen.out)
    except ParleyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _config_docs(out: Path) -> None:
    if not SCHEMA.exists():
        raise ParleyError(f"{SCHEMA} does not exist here; run this in the project's folder.")
    write_text(out, render(read_schema(SCHEMA)))
