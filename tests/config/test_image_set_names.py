"""The name of the set of images: which settings of the section `fetch` it depends on."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from parley.config.experiment import read_experiment
from parley.config.paths import class_digest
from parley.config.schema import read_schema
from parley.dataset.class_set import ImageClass
from parley.dataset.fetch.options import EFFORT_ONLY, FetchOptions
from parley.dataset.sources import SourceOptions, open_source

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
def test_the_name_depends_only_on_settings_that_affect_images(name):
    if name in OTHER_VALUES:
        other = OTHER_VALUES[name]
    else:
        other = not DEFAULTS[name] if isinstance(DEFAULTS[name], bool) else DEFAULTS[name] + 1
    assert (image_set(**{name: other}) == image_set()) == (name in EFFORT_ONLY)


def test_the_name_of_the_bundled_world_never_changes():
    """Another name would make every experiment fetch, hash and extract its images again."""
    assert image_set() == "world-aa7bf363"


def url_list_experiment(tmp_path, names):
    rows = [f"{name}\tn{number:08d}\tin\t\ta {name}" for number, name in enumerate(names)]
    (tmp_path / "set.tsv").write_text("\n".join(["class\twnid\tdomain\tgroup\tdescription", *rows]) + "\n")
    source = {"kind": "url_list", "url_list": {"locations": ["http://example.org/urls.tgz"]}}
    raw = {"experiment": "e", "classes": str(tmp_path / "set.tsv"), "source": source, "evaluation": {"k": 1}}
    return read_experiment(raw, SCHEMA)


def test_the_url_list_is_one_file_for_all_class_sets(tmp_path):
    one, other = (url_list_experiment(tmp_path, names).paths for names in (["ant", "bee"], ["ant", "cat"]))
    assert one.url_list == other.url_list
    assert one.pool != other.pool


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"group": "g", "description": "another"}, True),
        ({"domain": "out"}, False),
        ({"wnid": "n00000009"}, False),
        ({"name": "bee"}, False),
    ],
)
def test_the_digest_of_a_class_covers_what_determines_its_images(tmp_path, change, same):
    config = url_list_experiment(tmp_path, ["ant", "bee"]).config
    source = open_source(SourceOptions("url_list", locations=("http://example.org/urls.tgz",)))
    ant = {"name": "ant", "wnid": "n00000000", "domain": "in"}
    digests = [class_digest(config, ImageClass(**one), source) for one in (ant, {**ant, **change})]
    assert (digests[0] == digests[1]) == same


@pytest.mark.parametrize(
    ("section", "change", "same"),
    [
        ("split", {"out": {"ood": 7, "transfer": 0}}, True),
        ("split", {"in": {"train": 7, "dev": 1, "test": 1}}, False),
        ("fetch", {"min_side": 7}, False),
        ("fetch", {"threads": 7, "on_shortage": "accept"}, True),
        ("evaluation", {"k": 7}, True),
    ],
)
def test_the_digest_of_a_class_covers_the_settings_of_its_images(tmp_path, section, change, same):
    config = url_list_experiment(tmp_path, ["ant", "bee"]).config
    source = open_source(SourceOptions("url_list", locations=("http://example.org/urls.tgz",)))
    changed = {**config, section: {**config[section], **change}}
    digests = [class_digest(one, ImageClass("ant", "n00000000", "in"), source) for one in (config, changed)]
    assert (digests[0] == digests[1]) == same
