"""docs/troubleshooting.md: every message that it quotes is still one that Parley or Snakemake gives."""

import ast
import re
from pathlib import Path

import pytest
import snakemake

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
SNAKEMAKES = "Snakemake's own"
# Of Python itself, and of its argparse.
OF_PYTHON = {"expected at least one argument", "No such file or directory"}


def quoted():
    """Section and message of each row."""
    section = ""
    for line in PAGE.splitlines():
        section = line.lstrip("# ") if line.startswith("#") else section
        if found := re.match(r"\| `([^`]+)`", line):
            yield section, found[1]


def texts(paths):
    """Every string of some sources, what is filled in as …; implicitly joined ones are one."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def said_in(message, known):
    """Whether some string has all that the message quotes, in its order."""
    pieces = [re.escape(piece.strip()) for piece in message.split("…") if piece.strip(" ")]
    return bool(pieces) and any(re.search(".*".join(pieces), text, re.DOTALL) for text in known)


@pytest.fixture(scope="module")
def ours():
    return list(texts([*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow/scripts").glob("*.py")]))


@pytest.fixture(scope="module")
def snakemakes():
    return list(texts(Path(snakemake.__file__).parent.rglob("*.py")))


def test_every_message_of_parley_exists(ours):
    messages = [message for section, message in quoted() if section != SNAKEMAKES]
    assert len(messages) > 20
    assert [message for message in messages if not said_in(message, ours)] == []


def test_every_message_of_snakemake_exists(snakemakes):
    messages = {message for section, message in quoted() if section == SNAKEMAKES} - OF_PYTHON
    assert len(messages) >= 5
    assert [message for message in messages if not said_in(message, snakemakes)] == []


def test_a_documented_message_missing_from_the_code_is_found(ours):
    assert said_in("Config: the key … is unknown", ours)
    assert not said_in("Config: the key … is unheard of", ours)
    assert not said_in("…", ours)
    assert not said_in("is unknown … Config: the key", ours)


def test_each_has_a_cause_and_a_cure():
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    assert all(len(cells) == 3 and all(cell.strip(" |") for cell in cells) for cells in rows), rows
