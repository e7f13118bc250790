"""Inputs and params of rules follow from the config."""

from pathlib import Path

import pytest
import yaml

from parley.config.experiment import read_experiment
from parley.config.rule_inputs import RuleValues

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
