"""docs/extending.md: each part takes few lines, is written like the rest, and is that which other tests use."""

import shutil
import subprocess
from pathlib import Path

import pytest
from plugin_examples import FILES

from parley.config.plugin_parts import OWN
from parley.plugins.declared import read_plugins
from parley.runtime.code_digest import Sources

EXAMPLES = Path(__file__).parents[1] / "plugins/examples"
MOST_LINES = 39


@pytest.mark.parametrize("name", FILES)
def test_each_takes_few_lines(name):
    assert FILES[name].count("\n") <= MOST_LINES


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*_*.py")), ids=lambda path: path.name)
def test_parts_of_the_game_are_those_of_their_tests(path):
    assert FILES[path.name] == path.read_text()


def test_files_have_no_problems_and_every_kind_that_the_page_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text)
    parts, findings = read_plugins(FILES, OWN, Sources())
    assert findings == []
    assert {part.kind for part in parts} >= set(OWN)


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is in the extra lint")
def test_code_is_written_like_the_rest():
    command = ["ruff", "format", "--config", str(EXAMPLES.parents[2] / "pyproject.toml"), "--check", "-"]
    for text in FILES.values():
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, text
