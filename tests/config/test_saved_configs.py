"""Values set anew: read as YAML, checked by the config's schema, all findings at once."""

import copy
from pathlib import Path

import pytest

from parley.config.saved_configs import overridden
from parley.config.schema import read_schema
from parley.core.errors import ParleyError
from parley.game.settings import GameSettings, TrainingSettings, as_mapping

SCHEMA = read_schema(Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml")
RUN = {
    "experiment": "world",
    "run": "adaptive",
    "seed": 1,
    "k": 3,
    "game": as_mapping(GameSettings()),
    "training": as_mapping(TrainingSettings()),
}


def findings(*settings, run=RUN):
    with pytest.raises(ParleyError) as caught:
        overridden(run, settings, SCHEMA)
    return caught.value.findings


def test_without_overrides_a_run_does_not_change():
    assert overridden(RUN, [], SCHEMA) == {**overridden(RUN, [], SCHEMA), **RUN}


def test_values_are_set_and_the_original_is_left():
    before = copy.deepcopy(RUN)
    changed = overridden(RUN, ["game.message_bits=16", "training.optimizer=Adam", "seed=7", "k=2"], SCHEMA)
    assert (changed["game"]["message_bits"], changed["training"]["optimizer"]) == (16, "Adam")
    assert (changed["seed"], changed["k"]) == (7, 2)
    assert before == RUN


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("training.learning_rate=1e-3", 0.001),
        ("training.learning_rate=0.5", 0.5),
        ("training.steps=1e3", 1000),
        ("training.steps=500.0", 500),
        ("game.description_attention=true", True),
        ("game.first_message=-1", -1),
        ("experiment=2017", "2017"),
        ("experiment=no", "no"),
        ("run=1e5", "1e5"),
    ],
)
def test_values_have_the_type_that_is_wanted(setting, value):
    *above, key = setting.split("=")[0].split(".")
    changed = overridden(RUN, [setting], SCHEMA)
    found = (changed[above[0]] if above else changed)[key]
    assert (found, type(found)) == (value, type(value))


def test_of_two_values_for_a_key_the_later_counts():
    assert overridden(RUN, ["seed=2", "seed=3"], SCHEMA)["seed"] == 3


def test_a_key_that_an_older_run_lacks_gets_its_default():
    older = {**RUN, "game": {"message_bits": 8}}
    changed = overridden(older, [], SCHEMA)
    assert (changed["game"]["message_bits"], changed["game"]["mix"]) == (8, "sum")


def test_all_findings_are_reported_at_once():
    told = findings("game.mesage_bits=1", "game.mix=stir", "training.steps=many", "seed", "gaem.x=1", "k=0")
    assert len(told) == 6
    for part in ("did you mean message_bits", "stir", "'many'", "--set seed: write it", "gaem", "k: 0"):
        assert sum(part in sentence for sentence in told) == 1


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("=3", "write it as section.key=value"),
        ("game.=3", "write it as section.key=value"),
        ("game.message_bits.x=3", "is not a section"),
        ("game=3", "it must be of type object"),
        ("training.steps=2.5", "it must be of type integer"),
        ("training.steps=true", "it must be of type integer"),
        ("training.steps=", "it must be of type integer"),
        ("training.steps=[1", "invalid YAML"),
        ("training.learning_rate=.nan", "finite"),
        ("training.learning_rate=inf", "finite"),
        ("training.learning_rate=-1", "training.learning_rate"),
        ("runs=1", "the key runs is unknown"),
        ("experiment=../x", "experiment"),
    ],
)
def test_invalid_overrides_are_reported(setting, part):
    (told,) = findings(setting)
    assert part in told


def test_errors_of_the_file_are_reported_too():
    told = findings("seed=2", run={"game": {"old_key": 1}, "training": {}, "experiment": "a", "run": "b", "k": 1})
    assert told == ["Config: the key game.old_key is unknown; " + told[0].split("; ", 1)[1]]
    assert "lacks seed" in findings(run={"game": {}, "training": {}, "experiment": "a", "run": "b", "k": 1})[0]
