"""A config is checked whole: each mistake is told, with what to do."""

import copy
import math
from datetime import date
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from parley.config.overrides import with_settings
from parley.config.run_settings import run_settings
from parley.config.schema import read_schema
from parley.config.validation import resolve
from parley.core.errors import ParleyError

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
WORLD = {"experiment": "tiny", "classes": "classes.tsv", "source": {"kind": "world"}}


def findings(**changes):
    raw = copy.deepcopy(WORLD)
    for place, value in changes.items():
        section = raw
        *above, key = place.split("__")
        for step in above:
            section = section.setdefault(step, {})
        section[key] = value
    with pytest.raises(ParleyError) as caught:
        resolve(raw, SCHEMA)
    return caught.value.findings


ALONE = sorted([ROOT / "config.yaml", *(ROOT / "config").glob("*.yaml"), ROOT / "config/switches/game.yaml"])
AFTER = {"pooling": "switches/game", "normalisation": "switches/game", "gloss": "paper-photos"}


@pytest.mark.parametrize("path", ALONE, ids=lambda path: path.stem)
def test_every_config_that_comes_with_parley_is_valid(path):
    config = resolve(yaml.safe_load(path.read_text()), SCHEMA)
    assert len(config["seeds"]) >= 5


@pytest.mark.parametrize(
    "name", [path.stem for path in (ROOT / "config/switches").glob("*.yaml") if path.stem != "game"]
)
def test_every_switch_of_the_data_changes_one_thing_of_the_config_it_follows(name):
    base = yaml.safe_load((ROOT / f"config/{AFTER[name]}.yaml").read_text())
    changed = copy.deepcopy(base)
    update_config(changed, yaml.safe_load((ROOT / f"config/switches/{name}.yaml").read_text()))
    before, after = resolve(base, SCHEMA), resolve(changed, SCHEMA)
    assert after["experiment"] == f"switches-{name}"
    other = {key for key in before if before[key] != after[key]}
    assert other - {"experiment", "runs", "tables", "claims"} in ({"features"}, {"descriptions"})
    (run,) = after["runs"]
    same = next(one for one in before["runs"] if one["name"] == run["name"])
    for section in ("game", "training"):
        assert {**before[section], **same[section]} == {**after[section], **run[section]}


def test_attention_to_cells_by_itself_is_a_part_of_the_experiment_it_follows():
    whole = yaml.safe_load((ROOT / "config/paper-photos.yaml").read_text())
    part = yaml.safe_load((ROOT / "config/paper-photos/cells.yaml").read_text())
    cut = copy.deepcopy(whole)
    update_config(cut, part)
    whole, cut = resolve(whole, SCHEMA), resolve(cut, SCHEMA)
    assert cut["experiment"] != whole["experiment"]
    for name in ("runs", "seeds", "claims"):
        assert [one for one in whole[name] if one in cut[name]] == cut[name] != []
    other = {name for name in whole if whole[name] != cut[name]}
    assert other == {"experiment", "runs", "seeds", "seeds_per_job", "claims", "tables"}


def test_defaults_fill_only_missing_keys():
    config = resolve({**WORLD, "training": {"steps": 7}}, SCHEMA)
    assert config["training"]["steps"] == 7
    assert config["training"]["batch_size"] == 64
    assert config["runs"] == [{"name": "adaptive", "game": {}, "training": {}}]


def test_the_order_in_which_keys_are_written_changes_nothing():
    """Parts are dealt images in their order, which once followed the order of the config's lines."""
    counts = {"train": 7, "dev": 3, "test": 2}
    written = [dict(sorted(counts.items(), reverse=turned)) for turned in (False, True)]
    configs = [resolve({**WORLD, "split": {"in": one}}, SCHEMA) for one in (*written, counts, {"test": 2, "train": 7})]
    for config in configs:
        assert list(config["split"]["in"]) == list(counts)
        assert list(config) == list(configs[0])


def test_the_users_config_is_not_modified():
    raw = copy.deepcopy(WORLD)
    resolve(raw, SCHEMA)
    assert raw == WORLD


def test_all_mistakes_are_reported_at_once():
    told = findings(features__bakbone="resnet18", training__steps="many", source__kind="ftp")
    assert len(told) == 3
    assert any("features.bakbone" in one and "backbone" in one for one in told)
    assert any("training.steps" in one and "'many'" in one for one in told)
    assert any("source.kind" in one and "world" in one for one in told)


def test_a_misspelt_key_or_choice_hides_no_other_mistake():
    raw = {"experiment": "a/b", "clases": "x.tsv", "sorce": {"kind": "foldr"}, "features": {"preprocessing": "custom"}}
    with pytest.raises(ParleyError) as caught:
        resolve(raw, SCHEMA)
    assert [sentence.partition("; ")[0] for sentence in caught.value.findings] == [
        "Config: the key clases is unknown",
        "Config: the key sorce is unknown",
        "Config: experiment: 'a/b' does not match '^[A-Za-z0-9][A-Za-z0-9._-]*$'",
        "Config: source.kind is 'foldr'",
    ]
    with pytest.raises(ParleyError) as caught:
        resolve(raw | {"experiment": "a", "seeds": [1, "x"]}, SCHEMA)
    told = caught.value.findings
    assert "Config: seeds[1] is 'x'; it must be of type integer." in told
    assert "Config: `features.preprocessing` is custom, so `features.custom.size` must be given." in told
    assert "Config: `source.kind` is folder, so `source.folder.root` must be given." in told
    assert len(told) == 6


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"steps": 20}, "did you mean `training: {steps: ...}`?"),
        ({"training.steps": 20}, "did you mean `training: {steps: ...}`?"),
        ({"training": {"steps:20": None}}, "write a space after the colon, `steps: 20`."),
        ({"source__kind": "foldr"}, "did you mean folder?"),
        ({"tables": [{"name": "t", "runs": ["adaptve"], "metrics": ["accuracy@1"]}]}, "did you mean adaptive?"),
        ({"claims": [{"claim": "stops_at_once", "run": "adaptve"}]}, "did you mean adaptive?"),
    ],
)
def test_misplaced_and_misspelt_keys_get_a_suggestion(changes, hint):
    assert any(sentence.endswith(hint) for sentence in findings(**changes))


SETTINGS = [
    ("training={steps: 20, learning_rate: 1e-3}", {"training": {"batch_size": 3, "steps": 20, "learning_rate": 0.001}}),
    ("training={'steps': 20}", {"training": {"batch_size": 3, "steps": 20}}),
    ("training=20", {"training": 20}),
    ("training={steps: many}", {"training": {"batch_size": 3, "steps": "many"}}),
    ("training={steps: 20", {"training": "{steps: 20"}),
    ("seeds=[1, 2]", {"seeds": [1, 2]}),
    ("experiment=012", {"experiment": "012"}),
    ("experiment=1e3", {"experiment": "1e3"}),
    ("classes=null", {"classes": None}),
    ("game={message_bits: .inf}", {"game": {"message_bits": ".inf"}}),
    ("bogus={a: [1]}", {"bogus": {"a": [1]}}),
    (
        "runs=[{name: 7, game: {message_bits: 4}, grid: {training.steps: [1, 2]}}]",
        {"runs": [{"name": "7", "game": {"message_bits": 4}, "grid": {"training.steps": [1, 2]}}]},
    ),
]


@pytest.mark.parametrize(("setting", "changed"), SETTINGS)
def test_a_setting_of_the_command_line_has_the_schemas_type_and_leaves_its_section(setting, changed):
    raw = {**WORLD, "training": {"batch_size": 3}, "seeds": [1]}
    assert with_settings(raw, [setting], SCHEMA) == {**raw, **changed}
    assert raw["training"] == {"batch_size": 3}


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "+1e-4", "1.e-4", ".1e-3", "10e-5"])
def test_numbers_with_an_exponent_need_no_point(text):
    raw = {"training": {"learning_rate": text}, "experiment": text, "runs": [{"name": text, "game": {"c": text}}]}
    changed = with_settings(raw, [], SCHEMA)
    assert changed["training"]["learning_rate"] == pytest.approx(1e-4)
    assert changed["experiment"] == changed["runs"][0]["name"] == text  # Names stay text.
    grid = {"runs": [{"name": "a", "grid": {"training.learning_rate": [text, 0.1]}}]}
    assert with_settings(grid, [], SCHEMA)["runs"][0]["grid"]["training.learning_rate"] == [pytest.approx(1e-4), 0.1]
    assert (
        with_settings({"training": {"learning_rate": f"{text}x"}}, [], SCHEMA)["training"]["learning_rate"]
        == f"{text}x"
    )


PATH_KEYS = [
    *("classes", "plugins[]"),
    *("source.url_list.locations[]", "source.url_list.local_root", "source.folder.root", "source.tars.root"),
    *("source.archive.locations[]", "source.manifest.path", "source.manifest.local_root", "source.torchvision.root"),
    *(f"source.features.{name}" for name in ("train", "dev", "test", "ood", "transfer", "descriptions")),
    *("fetch.exclude", "features.weights", "descriptions.wordnet", "descriptions.evaluation"),
    *("words.source", "words.stop_words"),
    *("evaluation.attributes", "evaluation.attribute_classes", "evaluation.attribute_names"),
]


@pytest.mark.parametrize("key", PATH_KEYS)
@pytest.mark.parametrize(("written", "read"), [("~/a b", "HOME/a b"), ("a/~b", "a/~b"), ("~nobody-here/a", None)])
def test_a_tilde_means_the_home_folder_in_every_path(monkeypatch, key, written, read):
    monkeypatch.setenv("HOME", "/the/home")
    expected = (read or written).replace("HOME", "/the/home")
    top, *below = key.removesuffix("[]").split(".")

    def nested(value):
        value = [value] if key.endswith("[]") else value
        for name in reversed(below):
            value = {name: value}
        return value

    assert with_settings({top: nested(written)}, [], SCHEMA) == {top: nested(expected)}
    assert with_settings({}, [f"{top}={yaml.safe_dump(nested(written)).strip()}"], SCHEMA) == {top: nested(expected)}


def test_every_key_that_is_a_path_is_known_as_one():
    def paths(part, name):
        for key, below in part.get("properties", {}).items():
            yield from paths(below, f"{name}.{key}".lstrip("."))
        yield from paths(part["items"], f"{name}[]") if isinstance(part.get("items"), dict) else ()
        if part.get("format") == "path":
            yield name

    assert sorted(paths(SCHEMA, "")) == sorted(PATH_KEYS)


def test_an_unknown_key_of_a_run_is_reported_with_its_path():
    told = findings(runs=[{"name": "a", "game": {"presset": "Fixed"}}])
    assert told == ["Config: the key runs[0].game.presset is unknown; did you mean preset?"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experiment": "../up"}, "experiment"),
        ({"experiment": "a/b"}, "experiment"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"source": {}}, "kind"),
        ({"source__kind": "folder"}, "source.folder.root"),
        ({"source__kind": "url_list"}, "source.url_list.locations"),
        ({"runs": [{"name": "a"}, {"name": "a"}]}, "two runs"),
        ({"runs": [{"name": "a/b"}]}, "runs[0].name"),
        ({"classes": None}, "classes"),
        ({"features__preprocessing": "custom"}, "features.custom.size"),
        ({"source__url_list": {"checksum": "md5:0"}}, "checksum"),
        ({"fetch__contact": "Jürgen <j@example.org>"}, "fetch.contact"),
        ({"fetch__contact": "a@example.org\r\nX-Other: 1"}, "fetch.contact"),
        ({"training__learning_rate": 0}, "training.learning_rate"),
        ({"descriptions__encoder": "clip"}, "descriptions.encoder is 'clip'; it must be words, sentence-transformers/"),
        ({"descriptions__encoder": "open_clip/ViT-B-32:random", "words__sd": 1.0}, "words.sd has no effect"),
    ],
)
def test_each_impossible_value_names_its_key(changes, words):
    assert any(words in sentence for sentence in findings(**changes))


def test_a_run_overrides_the_config_and_keeps_the_rest():
    raw = {**WORLD, "game": {"message_bits": 8}, "runs": [{"name": "a", "game": {"preset": "Fixed"}}]}
    settings = run_settings(resolve(raw, SCHEMA), "a")
    assert settings["game"]["preset"] == "Fixed"
    assert settings["game"]["message_bits"] == 8
    assert settings["training"]["batch_size"] == 64


def test_every_key_of_the_schema_has_a_description():
    def walk(path, section):
        for name, part in section.get("properties", {}).items():
            assert part.get("description"), f"{path}.{name}"
            assert "default" in part or name in section.get("required", []), f"{path}.{name}"
            assert "properties" not in part or part["additionalProperties"] is False, f"{path}.{name}"
            walk(f"{path}.{name}", part)
            walk(f"{path}.{name}[]", part.get("items", {}))

    walk("", SCHEMA)
    assert SCHEMA["additionalProperties"] is False


def test_the_schemas_game_and_training_are_those_of_the_library():
    from parley.game.settings import GameSettings, TrainingSettings, as_mapping

    config = resolve(WORLD, SCHEMA)
    assert config["game"] == as_mapping(GameSettings())
    assert config["training"] == as_mapping(TrainingSettings())


def test_the_schemas_fetch_and_features_are_those_of_the_library():
    from parley.config.options import NETWORK_KEYS, fetch_options, network_options
    from parley.dataset.fetch.options import FetchOptions
    from parley.features.options import FeatureOptions
    from parley.text.embed_words import VectorOptions

    config = resolve(WORLD, SCHEMA)
    assert fetch_options(config["fetch"]) == FetchOptions()
    assert network_options({key: config["features"][key] for key in NETWORK_KEYS}) == FeatureOptions()
    assert VectorOptions(**config["words"]) == VectorOptions()


def test_tables_have_names_of_their_own_and_show_runs_that_there_are():
    tables = [{"name": "main", "runs": ["adaptive", "fixed"]}, {"name": "main"}]
    assert findings(tables=tables) == [
        "Config: two tables are called 'main'; give each its own name.",
        "Config: the table main lists unknown runs: fixed; the runs are adaptive.",
    ]
    (default,) = resolve(WORLD, SCHEMA)["tables"]
    assert default["metrics"] == ["accuracy@1", "accuracy@k", "nll", "length"]
    assert (default["runs"], default["parts"], default["caption"]) == ([], [], "")


def enums(schema, path=""):
    """The path, description and values of every key with a fixed set of names."""
    for name, own in schema.get("properties", {}).items():
        values = [value for value in own.get("enum", []) if isinstance(value, str)]
        if values:
            yield f"{path}{name}", own["description"], values
        yield from enums(own, f"{path}{name}.")


@pytest.mark.parametrize(("key", "description", "values"), list(enums(SCHEMA)))
def test_a_description_that_explains_values_explains_all_of_them(key, description, values):
    explained = [value for value in values if f"{value}:" in description]
    assert len(explained) < 2 or all(value in description for value in values), key


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"training": {"learning_rate": math.nan}}, "training.learning_rate is nan; it must be a finite number."),
        ({"words": {"sd": math.inf}}, "words.sd is inf; it must be a finite number."),
        ({"seeds": [2**64]}, "seeds[0] is 18446744073709551616; it must be a number below 2^63."),
        ({"seed": 2**63}, "seed is 9223372036854775808; it must be a number below 2^63."),
        ({"words": {"seed": -(10**30)}}, "it must be a number below 2^63."),
        ({"seeds": [True]}, "seeds[0] is true; it must be of type integer."),
        ({"experiment": True}, "experiment is true; it must be text; put it in quotes"),
        ({"experiment": None}, "experiment is null; it must be of type string."),
        ({"experiment": 12}, "experiment is 12; it must be text; put it in quotes"),
        ({"experiment": date(2026, 1, 2)}, "experiment is 2026-01-02; it must be text; put it in quotes"),
        ({"runs": [{"name": False}]}, "runs[0].name is false; it must be text; put it in quotes"),
        ({"game": {"corrupt_bits": 3}}, "game.corrupt_bits is 3; it must be text; put it in quotes"),
        ({"game": {"shuffle": False}}, "game.shuffle is false; it must be one of none, sender, receiver, both."),
        ({"training": {1: 2}}, "the key training.1 is unknown"),
        ({"experiment": "a\n"}, "experiment: 'a\\n' does not match"),
        ({"experiment": "x" * 101}, "is too long"),
        ({"experiment": "con"}, "experiment is 'con': the name is reserved for a device on Windows; choose another."),
        ({"experiment": "nul.2"}, "the name is reserved for a device"),
        ({"experiment": "a."}, "the name ends with a dot"),
        ({"runs": [{"name": "a\n"}]}, "runs[0].name: 'a\\n' does not match"),
        (
            {"runs": [{"name": "a"}, {"name": "A"}]},
            "the runs 'a' and 'A' are the same file on some systems; rename one.",
        ),
        ({"runs": [{"name": "LPT1"}]}, "the run 'LPT1': the name is reserved"),
        ({"runs": [{"name": "x" * 101}]}, "is too long"),
        ({"words": {"checksum": "md5:" + "0" * 32 + "\n"}}, "words.checksum: "),
        ({"game": {"message_bits": 10**6}}, "game.message_bits: 1000000 is greater than the maximum"),
        ({"words": {"dimension": 10**6}}, "words.dimension: 1000000 is greater than the maximum"),
        ({"training": {"steps": 10**15}}, "training.steps: 1000000000000000 is greater than the maximum"),
    ],
)
def test_values_that_no_machine_can_use_are_refused(changes, told):
    assert any(told in sentence for sentence in findings(**changes))


@pytest.mark.parametrize(
    "region", ["0:9", "4", "3:0", "2:2", "0:3000000000", "0," * 9 + "4", "9" * 5000, "1:" + "9" * 5000]
)
def test_bits_outside_the_message_are_refused_before_training(region):
    (told,) = findings(game={"corrupt_bits": region, "message_bits": 4})
    assert told.startswith("Config, run adaptive: game.corrupt_bits: ")
    assert "is not valid for messages of 4 bits; write comma-separated numbers" in told
    assert len(told) < 400
    runs = [{"name": "a", "game": {"corrupt_bits": "0:4"}}, {"name": "b", "game": {"message_bits": 2}}]
    assert len(findings(game={"corrupt_bits": "0:3", "message_bits": 4}, runs=runs)) == 1


def test_a_whole_number_may_be_written_with_a_point():
    assert with_settings({"training": {"steps": 20.0}}, [], SCHEMA) == {"training": {"steps": 20}}
    assert findings(training={"steps": 20.5}) == ["Config: training.steps is 20.5; it must be of type integer."]
