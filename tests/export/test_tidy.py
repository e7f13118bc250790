"""Dialogues as tidy tables and as Parquet: every cell of a small dialogue, and missing values."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_runs import Talk, make_experiment, write_messages

from parley.export.parquet import write_parquet
from parley.export.tidy import AGENTS, COLUMNS, bit_strings, tidy_columns
from parley.metrics.conversations import read_conversations

SCORES = [[0.0, np.log(3.0)], [np.log(3.0), 0.0]]
TALK = Talk("k", 0, SCORES, 1, sender=[[0, 1, 1], [1, 1, 1]], receiver_probs=[[0.9, 0.1, 0.2], [0.7, 0.1, 0.6]])


def table_of(paths, folder, groups=None, failed=()):
    write_parquet(paths, groups or {}, "made", failed, folder / "messages.parquet")
    return pq.read_table(folder / "messages.parquet")


def test_every_cell_of_a_dialogue(tmp_path):
    path = write_messages(tmp_path / "m.hdf5", [TALK], ["cat", "a|b"], bits=3, seed=7, part="ood")
    table = table_of([path], tmp_path, {"cat": "red"})
    assert table.column_names == list(COLUMNS)
    rows = table.to_pylist()
    shared = {"run": "adaptive", "seed": 7, "part": "ood", "key": "k", "class": "cat", "label_id": 0, "group": "red"}
    assert all(shared.items() <= row.items() and row["length"] == 1 and row["numbers"] is None for row in rows)
    assert [(row["exchange"], row["agent"], row["talking"], row["message"]) for row in rows] == [
        (1, "Sender", True, "011"),
        (1, "Receiver", True, "100"),
        (2, "Sender", False, "111"),
        (2, "Receiver", False, "101"),
    ]
    assert rows[1]["probabilities"] == pytest.approx([0.9, 0.1, 0.2])
    of_receiver = ("go_on_probability", "goes_on", "predicted", "predicted_probability", "rank", "target_probability")
    assert {rows[row][name] for row in (0, 2) for name in of_receiver} == {None}
    assert [rows[1][name] for name in of_receiver] == [
        pytest.approx(0.1),
        False,
        "a|b",
        pytest.approx(0.75),
        2,
        pytest.approx(0.25),
    ]
    assert [rows[3][name] for name in of_receiver[2:]] == ["cat", pytest.approx(0.75), 1, pytest.approx(0.75)]


def test_a_class_without_a_group_has_none(tmp_path):
    path = write_messages(tmp_path / "m.hdf5", [TALK], ["cat", "dog"], bits=3)
    assert table_of([path], tmp_path)["group"].null_count == 4


def test_continuous_messages_have_no_bits(tmp_path):
    talk = Talk("k", 0, SCORES, 2, sender=[[0.5, -1.5]] * 2, receiver_probs=[[2.5, 3.5]] * 2)
    path = write_messages(tmp_path / "m.hdf5", [talk], ["cat", "dog"], bits=2, continuous=True)
    rows = table_of([path], tmp_path).to_pylist()
    assert [row["numbers"] for row in rows] == [[0.5, -1.5], [2.5, 3.5]] * 2
    assert {row["message"] for row in rows} == {None}
    assert all(row["probabilities"] is None for row in rows)


def test_rows_of_a_diverged_run_have_no_prediction(tmp_path):
    talk = Talk("k", 0, [[1.0, 0.0], [np.nan, 0.0]], 2)
    path = write_messages(tmp_path / "m.hdf5", [talk], ["cat", "dog"])
    last = table_of([path], tmp_path).to_pylist()[-1]
    assert [last[name] for name in ("predicted", "predicted_probability", "rank", "target_probability")] == [None] * 4
    assert last["goes_on"] is False


def test_all_runs_are_in_one_file_and_failed_seeds_in_its_metadata(tmp_path):
    made = make_experiment(tmp_path, runs=("one", "two"), seeds=(1, 2), images=3, bits=8)
    failed = [{"run": "two", "seed": 3, "why": "The loss is ∞."}]
    table = table_of(made.files("messages.hdf5"), tmp_path, failed=failed)
    assert table.num_rows == 4 * 12 * 3 * 2
    assert pq.ParquetFile(tmp_path / "messages.parquet").num_row_groups == 4
    assert json.loads(table.schema.metadata[b"failed"]) == failed
    owners = table.select(["run", "seed"]).group_by(["run", "seed"]).aggregate([]).to_pylist()
    assert [(one["run"], one["seed"]) for one in owners] == made.owners


def test_without_any_run_the_columns_are_there(tmp_path):
    table = table_of([], tmp_path)
    assert (table.num_rows, table.column_names) == (0, list(COLUMNS))


def test_rows_agree_with_the_message_file(tmp_path):
    made = make_experiment(tmp_path, seeds=(1,), images=5, bits=6)
    dialogues = read_conversations(made.files("messages.hdf5")[0])
    columns = tidy_columns(dialogues, {})
    last = columns["exchange"].cells == columns["length"].cells
    of_sender = columns["agent"].cells == AGENTS[0]
    assert (
        columns["message"].cells[last & of_sender].tolist()
        == bit_strings(dialogues.at_stop(dialogues.sender_messages)).tolist()
    )
    right = columns["predicted"].cells == columns["class"].cells
    assert np.array_equal(right[last & ~of_sender], dialogues.final_scores.argmax(1) == dialogues.targets)
    assert columns["talking"].cells.sum() == 2 * dialogues.lengths.sum()
