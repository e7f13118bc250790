"""A grid of runs is written out as runs, named by their own values alone."""

import copy
import time
from pathlib import Path

import pytest
import yaml

from parley.config.grid import check_count, expand, planning_notice
from parley.config.schema import as_yaml, read_schema
from parley.config.validation import resolve
from parley.core.errors import ParleyError

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
WORLD = {"experiment": "tiny", "classes": "classes.tsv", "source": {"kind": "world"}}


def resolved(*runs):
    return resolve({**WORLD, "runs": list(runs)}, SCHEMA)["runs"]


def told(*runs):
    with pytest.raises(ParleyError) as caught:
        resolved(*runs)
    return caught.value.findings


def names(**grid):
    return [run["name"] for run in resolved({"name": "a", "grid": {key.replace("__", "."): grid[key] for key in grid}})]


def test_each_combination_is_a_run_named_by_its_values_the_last_key_varying_fastest():
    runs = resolved(
        {"name": "before"},
        {
            "name": "bandwidth",
            "game": {"preset": "Adaptive", "max_exchanges": 3},
            "grid": {"game.message_bits": [2, 16], "game.preset": ["Fixed", "Adaptive"], "training.steps": [7]},
        },
    )
    assert [run["name"] for run in runs] == [
        "before",
        "bandwidth-message_bits_2-preset_Fixed-steps_7",
        "bandwidth-message_bits_2-preset_Adaptive-steps_7",
        "bandwidth-message_bits_16-preset_Fixed-steps_7",
        "bandwidth-message_bits_16-preset_Adaptive-steps_7",
    ]
    assert runs[3] == {
        "name": "bandwidth-message_bits_16-preset_Fixed-steps_7",
        "game": {"preset": "Fixed", "max_exchanges": 3, "message_bits": 16},
        "training": {"steps": 7},
    }


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([0.0001], "a-learning_rate_0.0001"),
        ([0.00001], "a-learning_rate_1e-05"),
        ([1.0], "a-learning_rate_1"),
        ([1], "a-learning_rate_1"),
        ({"slow": 0.0001}, "a-slow"),
    ],
)
def test_numbers_and_labels_are_named(values, name):
    assert names(training__learning_rate=values) == [name]


def test_values_that_make_no_name_are_labelled():
    grid = {"training.frozen": {"none": [], "mute": ["sender"]}, "training.blend": [True]}
    runs = resolved({"name": "a", "grid": grid})
    assert [run["name"] for run in runs] == ["a-none-blend_true", "a-mute-blend_true"]
    assert runs[1]["training"] == {"frozen": ["sender"], "blend": True}


def test_runs_of_a_grid_share_nothing():
    one, other = expand([{"name": "a", "game": {}, "training": {}, "grid": {"training.frozen": {"x": [], "y": ["a"]}}}])
    one["training"]["frozen"].append("b")
    one["game"]["mix"] = "mou"
    assert other == {"name": "a-y", "game": {}, "training": {"frozen": ["a"]}}


def test_a_value_added_to_a_grid_leaves_the_other_runs_as_they_were():
    few = resolved({"name": "a", "grid": {"game.message_bits": [2, 8], "game.mix": ["sum"]}})
    more = resolved({"name": "a", "grid": {"game.message_bits": [2, 4, 8], "game.mix": ["mou", "sum"]}})
    assert [run for run in more if run in few] == few
    assert len(more) == 6


def test_the_config_written_out_is_the_same_experiment():
    config = resolve({**WORLD, "runs": [{"name": "a", "grid": {"game.message_bits": [2, 8]}}]}, SCHEMA)
    text = as_yaml(config)
    assert "grid" not in text
    assert "&" not in text  # An anchor: two runs written as one.
    assert resolve(yaml.safe_load(text), SCHEMA) == config


def test_the_users_config_is_not_modified():
    raw = {**WORLD, "runs": [{"name": "a", "game": {"mix": "sum"}, "grid": {"game.mix": ["mou"]}}]}
    before = copy.deepcopy(raw)
    resolve(raw, SCHEMA)
    assert raw == before


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"evaluation.k": [1]}, "the key runs[0].grid.evaluation.k is unknown; see config/README.md."),
        ({"message_bits": [1]}, "did you mean game.message_bits?"),
        ({"game.mesage_bits": [1]}, "did you mean game.message_bits?"),
        ({"game.message_bits": []}, "runs[0].grid.game.message_bits: [] should be non-empty"),
        ({"game.message_bits": {}}, "runs[0].grid.game.message_bits: {} should be non-empty"),
        ({"game.message_bits": 4}, "runs[0].grid.game.message_bits is 4; it must be of type array or object"),
        ({"game.message_bits": [4, 0]}, "runs[0].grid.game.message_bits[1]: 0 is less than the minimum of 1"),
        ({"game.message_bits": {"no": "many"}}, "runs[0].grid.game.message_bits.no is 'many'"),
        ({"game.preset": ["Fixt"]}, "runs[0].grid.game.preset[0] is 'Fixt'; it must be one of Fixed"),
        ({"game.mix": ["sum", "mou", "sum"]}, "run a: grid.game.mix has the value sum twice; remove one"),
        ({"training.learning_rate": [1, 1.0]}, "run a: grid.training.learning_rate has the value 1 twice"),
        ({"game.mix": {"one": "sum", "two": "sum"}}, "run a: grid.game.mix has the value sum twice; remove one"),
        ({"game.corrupt_bits": ["0:3"]}, "has the value 0:3, which makes no valid folder name (corrupt_bits_0:3)"),
        ({"game.mix": {"a/b": "sum"}}, "has the value sum, which makes no valid folder name (a/b); write a mapping"),
        ({"game.mix": {"x" * 120: "sum"}}, "its grid makes run names of more than 120 characters"),
        (
            {"game.preset": ["FixedAttention"], "game.image_layer": ["pooled"]},
            "run a-preset_FixedAttention-image_layer",
        ),
    ],
)
def test_each_mistake_is_a_sentence(grid, words):
    (sentence,) = told({"name": "a", "grid": grid})
    assert words in sentence


def test_all_mistakes_of_a_grid_are_reported_at_once():
    grid = {"game.mesage_bits": [1], "game.preset": ["Fixt"], "training.steps": []}
    assert len(told({"name": "a", "grid": grid}, {"name": "b", "gird": {}})) == 4


def test_two_runs_of_one_name_are_reported():
    other = {"name": "a-message_bits_2"}
    assert told({"name": "a", "grid": {"game.message_bits": [2, 4]}}, other) == [
        "Config: two runs are called 'a-message_bits_2'; give each its own name."
    ]
    crossed = {"game.mix": {"x": "sum", "x-y": "mou"}, "game.reward": {"y-z": "paper", "z": "original"}}
    assert told({"name": "a", "grid": crossed}) == ["Config: two runs are called 'a-x-y-z'; give each its own name."]


@pytest.mark.parametrize(
    ("grid", "seeds", "words"),
    [
        ({}, 20_000, "1 run × 20,000 seeds are 20,000 trainings and about 120,001 jobs"),
        ({"training.steps": list(range(1, 301)), "training.dev_batch_size": list(range(1, 301))}, 1, "90,000 runs × 1"),
        ({"training.steps": list(range(1, 90_001))}, 5, "90,000 runs × 5 seeds are 450,000 trainings"),
        ({"training.steps": list(range(1, 1002))}, 5, "1,001 runs × 5 seeds are 5,005 trainings"),
    ],
)
def test_too_many_trainings_are_refused_within_seconds(grid, seeds, words):
    began = time.process_time()
    with pytest.raises(ParleyError) as caught:
        resolve({**WORLD, "runs": [{"name": "a", "grid": grid}], "seeds": list(range(seeds))}, SCHEMA)
    (sentence,) = caught.value.findings
    assert words in sentence
    assert "at most 5,000 trainings" in sentence
    assert time.process_time() - began < 10


def test_planning_notice_for_many_trainings():
    assert planning_notice(100, 5) == []
    (sentence,) = planning_notice(1000, 5)
    assert sentence.startswith("For 1,000 runs × 5 seeds, the default target has about 31,000 jobs, which Snakemake")
    check_count([{"name": "a", "grid": {"training.steps": list(range(1, 1000))}}, {"name": "b"}], 5)
