"""The name of the set of images: which settings of the section `fetch` it depends on."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from parley.config.experiment import read_experiment
from parley.config.schema import read_schema
from parley.dataset.fetch.options import EFFORT_ONLY, FetchOptions

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
DEFAULTS = {key: value["default"] for key, value in read_schema(SCHEMA)["properties"]["fetch"]["properties"].items()}
OPTIONS = sorted(field.name for field in fields(FetchOptions) if field.name != "excluded")
OTHER_VALUES = {
    "contact": "me@example.org",
    "verify": "header",
    "refuse": ["cmyk"],
    "placeholder_sha256": ["0" * 64],
}


def image_set(**fetch):
    raw = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    raw["classes"] = str(ROOT / raw["classes"])
    return read_experiment({**raw, "fetch": {**raw.get("fetch", {}), **fetch}}, SCHEMA).paths.pool


@pytest.mark.parametrize("name", OPTIONS)
def test_only_settings_that_affect_which_images_are_accepted_are_part_of_it(name):
    if name in OTHER_VALUES:
        other = OTHER_VALUES[name]
    else:
        other = not DEFAULTS[name] if isinstance(DEFAULTS[name], bool) else DEFAULTS[name] + 1
    assert (image_set(**{name: other}) == image_set()) == (name in EFFORT_ONLY)


def test_the_name_of_the_bundled_world_never_changes():
    """Another name would make every experiment fetch, hash and extract its images again."""
    assert image_set() == "world-aa7bf363"
