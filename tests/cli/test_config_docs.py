"""The list of keys is made from the schema and is current."""

from pathlib import Path

from parley.cli.config_docs import render
from parley.config.schema import read_schema

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")


def test_config_readme_is_current():
    current = (ROOT / "config/README.md").read_text(encoding="utf-8")
    assert current == render(SCHEMA), "run `uv run parley config-docs`"


def test_every_key_has_a_row():
    text = render(SCHEMA)

    def keys(section):
        for name, part in section.get("properties", {}).items():
            yield name
            yield from keys(part)
            yield from keys(part.get("items", {}))

    for key in keys(SCHEMA):
        assert f"| `{key}` |" in text
