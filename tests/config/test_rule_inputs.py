"""Inputs and params of rules follow from the config."""

import os
from pathlib import Path

import pytest
import yaml
from unprivileged import unprivileged

from parley.config.experiment import read_experiment
from parley.config.rule_inputs import RuleValues, content_digest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("near_copies", "stages"),
    [
        ("ignore", ["draw_world", "fetch_images", "extract_features"]),
        ("report", ["draw_world", "fetch_images", "hash_images", "extract_features"]),
    ],
)
def test_the_stages_whose_outputs_are_shared(near_copies, stages, monkeypatch):
    monkeypatch.chdir(ROOT)
    raw = yaml.safe_load(Path("config.yaml").read_text())
    raw["fetch"] = {**raw.get("fetch", {}), "near_copies": near_copies}
    values = RuleValues(read_experiment(raw, ROOT / "workflow/schemas/config.schema.yaml"))
    assert values.source_stages() == stages


def test_attributes_in_the_sources_archive_wait_for_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    raw = yaml.safe_load(Path("config/awa2.yaml").read_text())
    schema = ROOT / "workflow/schemas/config.schema.yaml"
    experiment = read_experiment(raw, schema)
    assert RuleValues(experiment).attribute_files() == [experiment.paths.url_list]
    raw["evaluation"]["attribute_names"] = "LICENSE"
    assert RuleValues(read_experiment(raw, schema)).attribute_files() == ["LICENSE", experiment.paths.url_list]


@pytest.mark.parametrize("name", ["vectors.txt", "stop.txt", "other.csv"])
def test_digest_of_texts_changes_with_each_file_even_if_it_gets_older(monkeypatch, tmp_path, name):
    monkeypatch.chdir(ROOT)
    for each in ("vectors.txt", "stop.txt", "other.csv"):
        (tmp_path / each).write_text("0,ant,one\n")
    raw = yaml.safe_load(Path("config.yaml").read_text())
    raw["words"] = {"source": f"{tmp_path}/vectors.txt", "stop_words": f"{tmp_path}/stop.txt"}
    raw["descriptions"] = {"evaluation": f"{tmp_path}/other.csv"}
    values = RuleValues(read_experiment(raw, ROOT / "workflow/schemas/config.schema.yaml"))
    before = values.texts_digest()
    (tmp_path / name).write_text("0,ant,two\n")
    os.utime(tmp_path / name, (0, 0))
    assert values.texts_digest() != before
    (tmp_path / name).write_text("0,ant,one\n")
    assert values.texts_digest() == before


def test_content_digest_of_no_file_is_empty(tmp_path):
    assert content_digest() == content_digest("random", [str(tmp_path)], "https://example.org/vectors.zip") == ""


def test_content_digest_of_a_file_without_read_permission_is_empty(tmp_path):
    (tmp_path / "vectors.txt").touch(mode=0)
    assert unprivileged(lambda: content_digest(str(tmp_path / "vectors.txt"))) == ""
