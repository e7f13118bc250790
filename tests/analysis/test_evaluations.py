"""`parley compare` and `parley.load` read evaluations by one function, which refuses edited and foreign files."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from made_history import record
from made_runs import make_experiment

import parley
from parley.cli.main import main
from parley.core.errors import ParleyError
from parley.provenance.records import write_record

RUNS = Path("results/made/runs")
PATH = RUNS / "one/1/evaluation.json"


def make(name, images=6):
    folder = make_experiment(Path("results", name), runs=("one", "two"), seeds=(1, 2), images=images).folder
    config = {"experiment": name, "runs": [{"name": "one"}, {"name": "two"}], "seeds": [1, 2]}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    for path in folder.glob("runs/*/*/evaluation.json"):
        path.write_text(json.dumps({"experiment": name, **json.loads(path.read_text())}))


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make("made")


def refused(capsys, folder="results/made"):
    """Return the error message with which both refuse a folder."""
    assert main(["compare", folder, "--base", "one"]) == 1
    said = capsys.readouterr().err
    with pytest.raises(ParleyError) as caught:
        parley.load(folder)
    assert said == "\n".join(caught.value.findings) + "\n"
    return said


def edit(**values):
    content = json.loads(PATH.read_text())
    content["parts"]["test"] |= values
    PATH.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "value",
    [5.0, -1, 1.01, "x", "0.5", None, True, [], {}, float("nan"), float("inf"), 10**400],
    ids=lambda value: f"{value!r:.9}",
)
@pytest.mark.parametrize("metric", ["accuracy@1", "accuracy@k"])
def test_an_accuracy_is_a_number_from_0_to_1(made, capsys, metric, value):
    edit(**{metric: value})
    assert f"{PATH}, split test: {metric} is {value!r:.40}, but must be a number from 0 to 1" in refused(capsys)


@pytest.mark.parametrize("metric", ["nll", "length", "length_original"])
@pytest.mark.parametrize("value", [-0.1, "x", None, False, float("nan")], ids=repr)
def test_other_metrics_are_numbers_of_at_least_0(made, capsys, metric, value):
    edit(**{metric: value})
    assert f"{metric} is {value!r}, but must be a number of at least 0" in refused(capsys)


@pytest.mark.parametrize("name", ["n", "candidates", "k"])
@pytest.mark.parametrize("value", [0, -3, 2.5, "4", None, True], ids=repr)
def test_counts_are_positive_integers(made, capsys, name, value):
    edit(**{name: value})
    assert f"{name} is {value!r}, but must be a number above 0" in refused(capsys)


def test_values_at_the_limits_are_accepted(made):
    edit(**{"accuracy@1": 0, "accuracy@k": 1, "nll": 0.0, "hamming_sender": None, "hamming_receiver": 3.5})
    assert main(["compare", "results/made", "--base", "one"]) == 0
    parley.load("results/made")


@pytest.mark.parametrize("content", ["[]", "{}", "null", "3", '"x"', "", "{", '{"run": "one", "seed": 1, "k": 2}'])
def test_other_json_is_refused(made, capsys, content):
    PATH.write_text(content)
    assert re.match(rf"{PATH} (lacks [^;]+; |is not valid JSON)", refused(capsys))


@pytest.mark.parametrize("parts", [[], "x", None, {"test": 3}, {"test": []}], ids=repr)
def test_parts_must_list_metrics_by_split(made, capsys, parts):
    PATH.write_text(json.dumps({"run": "one", "seed": 1, "k": 2, "parts": parts}))
    assert "`parts` does not list metrics by split" in refused(capsys)


def test_files_of_another_seed_run_or_experiment_are_refused(made, capsys):
    shutil.copy(RUNS / "one/2/evaluation.json", PATH)
    assert "belongs to run one, seed 2, but is in the folder of run one, seed 1" in refused(capsys)
    shutil.copy(RUNS / "two/1/evaluation.json", PATH)
    assert "belongs to run two, seed 1, but" in refused(capsys)
    make("other")
    shutil.copy("results/other/runs/one/1/evaluation.json", PATH)
    assert f"{PATH} belongs to experiment other, but is in the folder of made" in refused(capsys)


def test_seeds_evaluated_on_different_numbers_of_images_are_refused(made, capsys):
    edit(n=7)
    assert "The seeds of run one were evaluated on test with different n (7, 24)" in refused(capsys)


@pytest.mark.parametrize("folder", ["results/made", "results/copy"])
def test_a_plausible_value_is_refused_if_the_file_has_a_record(made, capsys, folder):
    write_record(record("evaluate_run", {}, {"evaluation": [str(PATH)]}))
    shutil.copytree("results/made", "results/copy")
    assert main(["compare", folder, "--base", "one"]) == 0
    path = Path(folder, "runs/one/1/evaluation.json")
    content = json.loads(path.read_text())
    content["parts"]["test"]["accuracy@1"] = 0.999
    path.write_text(json.dumps(content))
    capsys.readouterr()
    assert f"{path} is damaged" in refused(capsys, folder)


@pytest.mark.parametrize(
    "value", [("macro_f1", 1.5), ("information", "x"), ("topographic_similarity", -2), ("dead_bits", True)]
)
def test_impossible_language_metrics_are_refused(made, value):
    measures = {"information": 2.5, "topographic_similarity": None, "information_gained": -1.5, **dict([value])}
    (RUNS / "one/1/language.json").write_text(json.dumps({"parts": {"test": {"measures": measures}}}))
    with pytest.raises(ParleyError, match=rf"{value[0]} is {value[1]!r}, but must be a number"):
        parley.load("results/made")
