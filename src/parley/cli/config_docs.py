"""`parley config-docs`: write config/README.md from the config's schema."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from parley.cli.shared import Subparsers
from parley.config.schema import read_schema
from parley.core.files import write_text
from parley.core.installation import SCHEMA

HEAD = """# Every key of the config

<!-- Made from workflow/schemas/config.schema.yaml by `uv run parley config-docs`; edits here are lost. -->

A config is a YAML file. `uv run snakemake --cores all` reads `config.yaml`; `--configfile config/photos.yaml` reads
that one instead. A key that a config does not set has the default below, whatever `config.yaml` says.
On the command line, `--config seed=12 'seeds=[1, 2]' 'training={steps: 20}'` overrides keys: a section is merged with
the file's, a list replaces it. Unknown keys, invalid values, wrong wnids and missing files are reported together before
anything runs. The complete config of an experiment is written to `results/<experiment>/config.yaml`.

| file | experiment |
|---|---|
| `../config.yaml` | the bundled world: drawn creatures, nothing downloaded |
| `animals30.yaml` | the 2017 code's 30 classes, sizes and flags, on ImageNet's tars |
| `mammals70.yaml` | the paper's 70 mammals and its settings, with 10 insects for transfer, on ImageNet's tars |
| `awa2.yaml` | Animals with Attributes 2: 40 mammals and 10 unseen ones, with attributes |
| `tiny-imagenet.yaml` | Tiny ImageNet's mammals and birds, with 6 unseen, and its insects for transfer |
| `imagenette.yaml` | ten classes, 99 MB: the smallest real data set |
| `pets.yaml` | 30 breeds of cats and dogs and 7 unseen ones |
| `photos.yaml` | a folder of your own images: [your-own-classes.md](../docs/your-own-classes.md) explains each step |
| `paper.yaml`, `paper-photos.yaml` | tests of the paper's claims: [paper.md](../docs/paper.md) |
| `paper-photos/cells.yaml` | given after `paper-photos.yaml`: only the runs with attention to the image's cells |
| `dialogue.yaml` | a game in which questions matter: [paper.md](../docs/paper.md#a-dialogue-that-matters) |
| `dialogue/search.yaml` | [what was tried](../docs/development/dialogue.md) for it |
| `switches/*.yaml` | the differences between the 2017 code, the paper and the corrected game, one run each |

A class set is a TSV with the columns `class`, `wnid` (WordNet 3.0), `domain` (`in`, `out` or `transfer`) and,
optionally, `group` and `description`.
"""


def render(schema: Mapping[str, Any]) -> str:
    """Return the text of config/README.md, with a table for each section of the schema and a row for each key."""
    lines = [HEAD]
    for title, section in _sections("", schema):
        lines += ["", f"## {title or 'Top level'}", ""]
        lines += [section["description"], ""] if title else []
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        lines += [_row(name, part) for name, part in section["properties"].items()]
    return "\n".join(lines) + "\n"


def _sections(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, schema
    for name, part in schema["properties"].items():
        below = f"{path}.{name}".lstrip(".")
        if "properties" in part:
            yield from _sections(below, part)
        elif "properties" in part.get("items", {}):
            yield from _sections(f"{below}[]", part["items"])


def _row(name: str, part: Mapping[str, Any]) -> str:
    default = "required" if "default" not in part else f"`{_inline(part['default'])}`"
    if "properties" in part or "$ref" in part:
        default = "see below"
    meaning = part["description"].replace("|", "\\|").replace("<", "&lt;")
    return f"| `{name}` | {_type(part)} | {default} | {meaning} |"


def _type(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return ", ".join(f"`{choice}`" for choice in part["enum"])
    kinds = part.get("type", "section")
    return " or ".join(kinds) if isinstance(kinds, list) else ("section" if kinds == "object" else kinds)


def _inline(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("...\n").strip()


def add(commands: Subparsers) -> None:
    """Add the argument parser of `parley config-docs`."""
    parser = commands.add_parser("config-docs", help="write config/README.md from the config's schema")
    parser.add_argument("--out", type=Path, default=Path("config/README.md"), help="the page to write")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Write config/README.md."""
    write_text(chosen.out, render(read_schema(SCHEMA)))
