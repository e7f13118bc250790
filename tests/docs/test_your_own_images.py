"""docs/your-own-classes.md: its sources are ones, and the features that it makes can be read."""

import re
from pathlib import Path

import pytest
import yaml

from parley.config.schema import read_schema
from parley.config.validation import resolve
from parley.dataset.sources import KINDS
from parley.features.storage import read_features
from parley.text.descriptions import read_descriptions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/your-own-classes.md").read_text(encoding="utf-8")
SOURCES = [yaml.safe_load(block)["source"] for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
MAKES_FEATURES = re.search(r'```python title="make_features.py"\n(.*?)```', PAGE, re.DOTALL)[1]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source["kind"])
def test_the_config_takes_it(source):
    raw = {"experiment": "e", "classes": "c.tsv", "source": source}
    assert resolve(raw, read_schema(ROOT / "workflow/schemas/config.schema.yaml"))["source"]["kind"] == source["kind"]


def test_every_source_has_its_place():
    assert {source["kind"] for source in SOURCES} | {"world"} == {*KINDS, "features"}


def test_features_made_as_the_page_says_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(MAKES_FEATURES, "make_features.py", "exec"), {})
    (named,) = (source["features"] for source in SOURCES if source["kind"] == "features")
    for part, images in (("train", 160), ("dev", 40), ("test", 40)):
        assert read_features(named[part], "pooled").features.shape == (images, 64)
    assert [each.label for each in read_descriptions(named["descriptions"])] == ["red", "green", "blue", "grey"]
