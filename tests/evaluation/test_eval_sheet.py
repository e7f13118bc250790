"""eval.csv, and the best dev accuracy that goes into it."""

import csv
import json

from parley.evaluation.legacy_eval import Row, best_dev_accuracy, sheet
from parley.game.settings import TrainingSettings

TRAINING = TrainingSettings(steps=400, first_checkpoint=200)
OTHER = {"accuracy@1": 0.1, "nll": 1.0, "length": 2.0}
LOG = [
    {"kind": "dev", "step": 100, "accuracy@k": 0.9, **OTHER},
    {"kind": "train", "step": 200, "accuracy@1": 1.0},
    {"kind": "dev", "step": 200, "accuracy@k": 0.5, **OTHER},
    {"kind": "dev", "step": 300, "accuracy@k": 0.7, **OTHER},
    {"kind": "dev", "step": 400, "accuracy@k": 0.6, **OTHER},
]


def write_log(folder, rows=LOG):
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_best_of_the_steps_with_a_checkpoint(tmp_path):
    write_log(tmp_path)
    found = [best_dev_accuracy(tmp_path, step, TRAINING) for step in (100, 200, 300, 400)]
    assert found == [None, 0.5, 0.7, 0.7]


def test_a_run_shorter_than_first_checkpoint_has_its_last_step(tmp_path):
    write_log(tmp_path)
    assert best_dev_accuracy(tmp_path, 400, TrainingSettings(steps=400, first_checkpoint=1000)) == 0.6


def test_without_a_log_selection_json_is_used(tmp_path):
    (tmp_path / "selection.json").write_text(json.dumps({"candidates": [{"step": 200, "accuracy@k": 0.5}]}))
    assert best_dev_accuracy(tmp_path, 400, TRAINING) == 0.5


def test_it_is_empty_if_the_log_is_missing_or_damaged(tmp_path, caplog):
    assert best_dev_accuracy(tmp_path, 400, TRAINING) is None
    write_log(tmp_path, [1, {"kind": "dev"}, {"kind": "dev", "step": 300, "accuracy@k": None}])
    assert best_dev_accuracy(tmp_path, 400, TRAINING) is None
    (tmp_path / "metrics.jsonl").write_text('{"kind": ')
    assert best_dev_accuracy(tmp_path, 400, TRAINING) is None
    assert "is left empty" in caplog.text


def test_a_path_with_a_comma_stays_one_field():
    row = Row("a,b.pt", "test.hdf5", 6, 400, None, 0.5, 1.0, 0.25)
    (read,) = csv.DictReader(sheet([row]).splitlines())
    assert list(read.values()) == ["a,b.pt", "test.hdf5", "6", "400", "", "0.5", "1.0", "0.25"]
