import json

import pytest
from made_runs import evaluation_entry, write_evaluation, write_log, write_selection

from parley.core.errors import ParleyError
from parley.metrics.records import (
    finite,
    owner_of,
    read_analysis,
    read_chosen_step,
    read_curve,
    read_evaluation,
)


@pytest.fixture
def folder(tmp_path):
    own = tmp_path / "runs" / "adaptive" / "3"
    own.mkdir(parents=True)
    return own


def test_the_folder_gives_the_run_and_seed_of_a_file(folder):
    assert owner_of(folder / "metrics.jsonl") == ("adaptive", 3)
    with pytest.raises(ParleyError, match="is not in a folder"):
        owner_of(folder.parent / "metrics.jsonl")


def test_a_curve_is_the_dev_lines(folder):
    curve = read_curve(write_log(folder, [(100, 0.1, 0.2), (200, 0.3, 0.4)]))
    assert (curve.run, curve.seed, curve.k) == ("adaptive", 3, 2)
    assert curve.steps == [100, 200]
    assert curve.values["accuracy@1"] == [0.1, 0.3]
    assert curve.chance == {"accuracy@1": 0.25, "accuracy@k": 0.5}


def test_a_resumed_run_counts_each_step_once_with_its_last_line(folder):
    path = write_log(folder, [(100, 0.1, 0.2), (200, 0.3, 0.4), (100, 0.5, 0.6)])
    curve = read_curve(path)
    assert curve.steps == [100, 200]
    assert curve.values["accuracy@1"] == [0.5, 0.3]


def test_non_finite_values_are_gaps(folder):
    path = folder / "metrics.jsonl"
    path.write_text('{"kind": "dev", "step": 5, "accuracy@1": NaN, "accuracy@k": null}\n\n')
    curve = read_curve(path)
    assert curve.values["accuracy@1"] == [None]
    assert curve.values["accuracy@k"] == [None]
    assert curve.chance == {}


def test_a_run_without_dev_lines_has_an_empty_curve(folder):
    path = folder / "metrics.jsonl"
    path.write_text("")
    assert read_curve(path).steps == []


@pytest.mark.parametrize(("line", "sentence"), [("{", "line 1: not JSON"), ("3", "not a JSON object")])
def test_broken_lines_are_named(folder, line, sentence):
    path = folder / "metrics.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ParleyError, match=sentence):
        read_curve(path)


def test_a_dev_line_without_a_step_is_refused(folder):
    path = folder / "metrics.jsonl"
    path.write_text(json.dumps({"kind": "dev"}))
    with pytest.raises(ParleyError, match="the dev line has no `step`"):
        read_curve(path)


def test_evaluations_must_match_their_folder(folder):
    path = write_evaluation(folder, {"test": evaluation_entry(4, 3, 2)}, seed=3)
    assert read_evaluation(path)["seed"] == 3
    write_evaluation(folder, {}, seed=4)
    with pytest.raises(
        ParleyError, match=r"belongs to run adaptive, seed 4, but is in the folder of run adaptive, seed 3"
    ):
        read_evaluation(path)


def test_files_that_lack_something_are_refused(folder):
    with pytest.raises(ParleyError, match="does not exist"):
        read_evaluation(folder / "evaluation.json")
    (folder / "analysis.json").write_text('{"run": "adaptive"}')
    with pytest.raises(ParleyError, match="lacks seed, parts, warnings"):
        read_analysis(folder / "analysis.json")
    (folder / "selection.json").write_text('{"chosen": {}}')
    with pytest.raises(ParleyError, match="has no `step`"):
        read_chosen_step(folder / "selection.json")
    assert read_chosen_step(write_selection(folder, 700)) == 700


@pytest.mark.parametrize("value", [None, "0.5", True, float("nan"), float("inf"), 10**400])
def test_only_finite_numbers_are_numbers(value):
    assert finite(value) is None
    assert finite(1) == 1.0
