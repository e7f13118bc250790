"""`parley wnid`: look up the WordNet senses of a noun, to fill the column `wnid` of a class set."""

import argparse
import sys
import textwrap
from pathlib import Path

from parley.cli.shared import Subparsers
from parley.config.experiment import class_set_path
from parley.config.overrides import with_settings
from parley.config.saved_configs import read_config
from parley.config.schema import Config, fill_defaults, read_schema
from parley.core.errors import ParleyError
from parley.core.installation import SCHEMA
from parley.dataset.class_set import ImageClass, read_class_set
from parley.text.wordnet import Sense, WordNet, open_wordnet

WIDTH = 100


def add(commands: Subparsers) -> None:
    """Add the argument parser of `parley wnid`."""
    parser = commands.add_parser(
        "wnid",
        help="look up the wnids of a noun in WordNet 3.0",
        description="Print the senses of a noun in WordNet 3.0, the most frequent first: wnid, field, gloss and "
        "synonyms, and whether the class set of the config has the sense already.",
    )
    parser.add_argument("word", nargs="+", help="a noun, such as lion or polar bear")
    parser.add_argument(
        "--configfile",
        type=Path,
        metavar="YAML",
        help="the config that names the class set and the location of WordNet; config.yaml by default",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Print the senses of a noun, or raise `ParleyError` with a suggestion if WordNet does not contain it."""
    config = _config(chosen.configfile)
    wordnet = open_wordnet(config["descriptions"]["wordnet"], config["fetch"]["allow_private_hosts"])
    path = str(class_set_path(config["classes"])) if config["classes"] else ""
    classes = {one.wnid: one for one in read_class_set(path)} if path else {}
    word = " ".join(chosen.word)
    for sense in _senses(wordnet, word):
        sys.stdout.write(f"{_entry(sense, classes.get(sense.wnid), path)}\n")


def _config(path: Path | None) -> Config:
    """Read a config and fill in defaults. The default path is config.yaml; if it does not exist, all are defaults."""
    chosen = path or Path("config.yaml")
    raw = read_config(chosen) if path is not None or chosen.is_file() else {}
    schema = read_schema(SCHEMA)
    config = with_settings(raw, [], schema)
    fill_defaults(config, schema)
    return config


def _senses(wordnet: WordNet, word: str) -> list[Sense]:
    if senses := wordnet.senses(word):
        return senses
    hint = wordnet.similar(word) or "try a synonym or the singular."
    raise ParleyError(f"WordNet 3.0 has no noun {word!r}; {hint}")


def _entry(sense: Sense, present: ImageClass | None, path: str) -> str:
    """Format one sense as lines of text."""
    synonyms = f"{sense.field}: {', '.join(sense.words)}"
    known = [f"in {path} as {present.name!r} (domain {present.domain})"] if present else []
    lines = [line for text in (sense.gloss, synonyms, *known) for line in textwrap.wrap(text, WIDTH - 11)]
    return f"{sense.wnid}  " + "\n           ".join(lines)
