"""Records are stored next to outputs, found from them, and contain no personal names."""

import json
from pathlib import Path

import pytest
from made_history import record, write

from parley.core.errors import ParleyError
from parley.provenance.records import FOLDER, Records, read_record, write_record


def test_a_record_survives_a_round_trip(history):
    written = record("count", {"words": ["words.txt"]}, {"table": ["resources/table.tsv"]}, 3, params={"k": [1, 2]})
    found = read_record(write_record(written))
    assert found.outputs == written.outputs
    assert [one[:4] for one in found.inputs] == [one[:4] for one in written.inputs]
    assert found.params == {"k": [1, 2]}


def test_a_record_is_in_the_folder_that_contains_all_outputs(history):
    assert [path.parent for path in history.rglob("paint-*.json")] == [history / "results/e" / FOLDER]
    for path in ("results/e/sum.txt", "results/e/pages/two.html"):
        assert Records().maker_of(path).rule == "paint"


def test_the_later_of_two_jobs_is_the_maker_of_a_file(history):
    write_record(record("other", {}, {"table": ["resources/table.tsv"]}, 4))
    assert Records().maker_of("resources/table.tsv").rule == "other"
    write_record(record("earlier", {}, {"table": ["resources/table.tsv"]}, 3))
    assert Records().maker_of("resources/table.tsv").rule == "other"


def test_other_files_have_no_record(history):
    assert Records().maker_of("words.txt") is None
    assert Records().maker_of("results/e/new.txt") is None
    assert Records().maker_of("/etc/hostname") is None


def test_a_job_that_runs_again_replaces_its_record(history):
    before = list(history.rglob("count-*.json"))
    write_record(record("count", {"words": ["words.txt"]}, {"table": ["resources/table.tsv"]}, 9))
    assert list(history.rglob("count-*.json")) == before
    assert Records().maker_of("resources/table.tsv").ended.endswith("06:09:00.000+00:00".removeprefix("0"))


def test_neither_home_folder_nor_passwords_are_written(history, monkeypatch):
    monkeypatch.setenv("HOME", str(history))
    write(history / "pictures/a.txt", "a")
    params = {"root": str(history / "pictures"), "urls": ["https://ann:secret@example.org/list", f"{history}er/x"]}
    path = write_record(
        record("take", {"given": [str(history / "pictures/a.txt")]}, {"out": ["results/e/sum.txt"]}, params=params)
    )
    found = read_record(path)
    assert found.inputs[0].path == "~/pictures/a.txt"
    assert found.params["root"] == "~/pictures"
    assert found.params["urls"] == ["https://example.org/list", f"{history}er/x"]
    assert "secret" not in path.read_text()


def test_a_damaged_record_is_reported(history):
    (path,) = history.rglob("count-*.json")
    whole = json.loads(path.read_text())
    changed = [
        *({"outputs": outputs} for outputs in ([], 3, {}, [3], [{"path": "a"}], [{**whole["outputs"][0], "path": 3}])),
        *({"inputs": inputs} for inputs in (None, [{}], [{**whole["inputs"][0], "path": None}])),
        *({"ended": 3}, {"rule": None}, {"unknown": 1}),
    ]
    for text in ("", "{", "[]", "3", '{"format": 1}', '{"format": 99}', *(json.dumps(whole | one) for one in changed)):
        path.write_text(text)
        with pytest.raises(ParleyError, match=r"count-\w+\.json is not .*; remove it"):
            Records().maker_of("resources/table.tsv")


def test_a_half_written_record_is_ignored(history):
    (path,) = history.rglob("count-*.json")
    Path(path.parent, ".count-12345678.json.0123.part").write_text("{")
    assert Records().maker_of("resources/table.tsv").rule == "count"
