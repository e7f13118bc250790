"""provenance.json lists the files, jobs and hashes of an experiment; the library `prov` reads it."""

import json
from pathlib import Path

import pytest
from made_history import record, write
from prov.model import ProvActivity, ProvDocument, ProvEntity, ProvGeneration, ProvUsage

from parley.core.errors import ParleyError
from parley.core.files import sha256_of
from parley.provenance.document import AS_MADE, CHANGED, GONE, NO_RECORD, read_files, write_provenance
from parley.provenance.records import write_record


def written():
    write_provenance("results/e")
    return json.loads(Path("results/e/provenance.json").read_text())


def test_every_file_has_its_hash_and_state(history):
    entities = written()["entity"]
    paths = ["resources/table.tsv", "results/e/pages/one.html", "results/e/pages/two.html", "results/e/sum.txt"]
    assert list(entities) == [f"path:{path}" for path in [*paths, "words.txt"]]
    for path in paths:
        facts = {"parley:sha256": sha256_of(path), "parley:bytes": Path(path).stat().st_size, "parley:state": AS_MADE}
        assert entities[f"path:{path}"] == facts
    assert entities["path:words.txt"]["parley:state"] == NO_RECORD


def test_the_library_prov_reads_it_and_traces_a_file_back(history):
    written()
    found = ProvDocument.deserialize("results/e/provenance.json", format="json")
    made_by = {str(one.args[0]): str(one.args[1]) for one in found.get_records(ProvGeneration)}
    used = {(str(one.args[0]), str(one.args[1])) for one in found.get_records(ProvUsage)}
    names = {str(one.identifier) for one in found.get_records(ProvActivity)}
    assert len(list(found.get_records(ProvEntity))) == 5
    paint = made_by["path:results/e/sum.txt"]
    assert paint.startswith("job:paint-")
    assert (paint, "path:resources/table.tsv") in used
    assert (made_by["path:resources/table.tsv"], "path:words.txt") in used
    assert names == set(made_by.values())
    (activity,) = [one for one in found.get_records(ProvActivity) if str(one.identifier) == paint]
    values = {str(name): value for name, value in activity.attributes}
    assert values["parley:rule"] == "paint"
    assert values["parley:seeds"] == 7
    assert json.loads(values["parley:param.colours"]) == {"red": 1}
    assert values["parley:wall_s"] == 1.5
    assert str(values["prov:startTime"]) == "2026-11-26 06:02:00+00:00"


def test_an_earlier_version_that_a_job_read_is_a_separate_entity(history):
    before = sha256_of("resources/table.tsv")
    write(Path("resources/table.tsv"), "green\t1\n")
    write_record(record("count", {"words": ["words.txt"]}, {"table": ["resources/table.tsv"]}, 5))
    found = written()
    earlier = f"path:resources/table.tsv@{before[:12]}"
    assert found["entity"][earlier]["parley:state"] == GONE
    assert found["entity"]["path:resources/table.tsv"]["parley:state"] == AS_MADE
    (job,) = [name for name in found["activity"] if name.startswith("job:paint")]
    assert [one["prov:entity"] for one in found["used"].values() if one["prov:activity"] == job] == [earlier]
    assert read_files("results/e")["resources/table.tsv"][1] == sha256_of("resources/table.tsv")
    assert earlier.removeprefix("path:") not in read_files("results/e")


def test_a_file_changed_by_hand_is_not_attributed_to_its_job(history):
    Path("results/e/sum.txt").write_text("4!")
    found = written()
    assert found["entity"]["path:results/e/sum.txt"]["parley:state"] == CHANGED
    assert "path:results/e/sum.txt" not in [one["prov:entity"] for one in found["wasGeneratedBy"].values()]


def test_a_removed_input_is_marked(history):
    Path("words.txt").unlink()
    assert written()["entity"]["path:words.txt"] == {"parley:state": GONE}


def test_logs_benchmarks_and_hidden_files_are_not_listed(history):
    for name in ("logs/a.log", "benchmarks/a.tsv", ".hidden", "pages/.x", "provenance.json"):
        write(Path("results/e", name), "x")
    assert not [name for name in written()["entity"] if "log" in name or "bench" in name or "/." in name]


def test_writing_it_again_changes_nothing(history):
    written()
    before = Path("results/e/provenance.json").read_bytes()
    written()
    assert Path("results/e/provenance.json").read_bytes() == before


@pytest.mark.parametrize("text", ["{}", "[]", '{"entity": {"path:a": {}}}'])
def test_a_damaged_file_is_reported(history, text):
    Path("results/e/provenance.json").write_text(text)
    with pytest.raises(ParleyError, match=r"provenance\.json"):
        read_files("results/e")
