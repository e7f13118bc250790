"""Files of a class are copied from another image set exactly if they would be the same."""

import shutil
from pathlib import Path

import pytest

from parley.core.formats import REUSED
from parley.core.tables import write_table
from parley.dataset.fetch.outcomes import ErrorClass, may_change
from parley.dataset.reuse import ClassStore, reusing
from parley.provenance.job import record_job

NAMES = ["ant", "bee"]
DIGESTS = {"ant": "a", "bee": "b"}
INPUTS = {"ant": "plan of ants", "bee": "plan of bees"}


def store(tmp_path, pool, code=""):
    return ClassStore(tmp_path / pool, (".tar", ".tsv"), code)


def make(tmp_path, pool, inputs=INPUTS, text="made", **more):
    one = store(tmp_path, pool, **more)
    for name in inputs:
        for suffix in one.suffixes:
            one.folder.mkdir(parents=True, exist_ok=True)
            (one.folder / f"{name}{suffix}").write_text(f"{text} {name}{suffix}")
    one.record(DIGESTS, inputs, reused=False)
    return one


def reused(one, names=NAMES):
    return one.reused(names, DIGESTS.get)


def test_an_empty_store_reuses_nothing(tmp_path):
    assert reused(store(tmp_path, "first")) == []
    assert store(tmp_path, "first").copy(DIGESTS, INPUTS) == NAMES


def test_files_of_a_class_are_copied_and_stay_copies(tmp_path):
    make(tmp_path, "first")
    second = store(tmp_path, "second")
    assert reused(second, ["ant", "bee"]) == ["ant", "bee"]
    assert second.copy(DIGESTS, INPUTS) == []
    second.record(DIGESTS, INPUTS, reused=True)
    assert (second.folder / "ant.tar").read_text() == "made ant.tar"
    assert not (second.folder / "ant.tar").samefile(tmp_path / "first/ant.tar")
    assert reused(second) == NAMES
    shutil.rmtree(tmp_path / "first")
    assert reused(second) == NAMES
    (second.folder / "bee.tsv").unlink()
    assert reused(second) == ["ant"]
    third = store(tmp_path, "third")
    assert third.copy({}, INPUTS) == NAMES  # Without a digest and a record of its own.
    assert third.copy(DIGESTS, INPUTS) == ["bee"]


def test_classes_of_other_settings_code_or_input_are_made(tmp_path):
    make(tmp_path, "first", code="old")
    assert reused(store(tmp_path, "second", "new")) == []
    second = store(tmp_path, "second", "old")
    assert second.reused(NAMES, {"ant": "other", "bee": "b"}.get) == ["bee"]
    assert second.copy(DIGESTS, {**INPUTS, "bee": "another plan"}) == ["bee"]


def test_a_class_with_errors_that_may_pass_is_not_reused(tmp_path):
    make(tmp_path, "first", {**INPUTS, "ant": ""})
    assert reused(store(tmp_path, "second")) == ["bee"]


def test_own_classes_are_never_marked_reused(tmp_path):
    first = make(tmp_path, "first")
    make(tmp_path, "second")
    assert reused(first) == []
    (first.folder / "ant.tar").unlink()
    assert reused(first) == []


def test_the_classes_of_a_job_stay_the_same_while_it_runs(tmp_path):
    make(tmp_path, "first", {"ant": "plan"})
    second = store(tmp_path, "second")
    assert reused(second) == ["ant"]
    for names, copied in ((["ant"], True), (["bee"], False)):
        second.record(DIGESTS, dict.fromkeys(names, ""), copied)
        assert reused(second) == ["ant"]
        for suffix in second.suffixes:
            (second.folder / f"{names[0]}{suffix}").touch()
            assert reused(second) == ["ant"]
        second.record(DIGESTS, dict.fromkeys(names, "plan"), copied)
        assert reused(second) == ["ant"]
    assert reused(store(tmp_path, "third")) == ["ant", "bee"]


def test_copy_skips_image_sets_with_other_input(tmp_path):
    make(tmp_path, "a", {**INPUTS, "ant": "other"}, text="wrong")
    make(tmp_path, "b", text="right")
    second = store(tmp_path, "second")
    assert second.copy(DIGESTS, INPUTS) == []
    assert (second.folder / "ant.tar").read_text() == "right ant.tar"


def test_a_class_may_change_if_a_later_run_would_ask_again(tmp_path):
    for url, error, local, changes in (
        ("http://a/1.jpg", "", True, False),
        ("http://a/1.jpg", ErrorClass.NOT_FOUND, True, False),
        ("http://a/1.jpg", ErrorClass.READ_TIMEOUT, False, True),
        ("ant/1.jpg", "", False, False),
        ("ant/1.jpg", "", True, True),
    ):
        write_table(tmp_path / "a.tsv", ["url", "error_class"], [["http://a/0.jpg", ""], [url, error]])
        assert may_change(tmp_path / "a.tsv", local) == changes


@pytest.mark.parametrize("rule", ["hash_images_0000", f"hash_images_{REUSED}"])
def test_outputs_of_tars_depend_on_their_bytes(tmp_path, rule):
    tars = [str(tmp_path / f"{name}.tar") for name in NAMES]
    for tar in tars:
        (tmp_path / tar).write_text(tar)

    def run(pool, rule=rule):
        outputs = [str(tmp_path / pool / f"{name}.tsv") for name in NAMES]
        with reusing("hash", tars, outputs, "code", rule, DIGESTS) as paths:
            for path in paths.values():
                (tmp_path / pool).mkdir(exist_ok=True)
                (tmp_path / path).write_text(pool)
        return list(paths)

    assert run("first", "hash_images_0000") == tars
    (tmp_path / tars[1]).write_text("other bytes")
    assert run("second") == (tars if rule == "hash_images_0000" else tars[1:])
    assert [(tmp_path / "second" / f"{name}.tsv").read_text() for name in NAMES] == (
        ["second", "second"] if rule == "hash_images_0000" else ["first", "second"]
    )


def test_damaged_files_and_records_are_not_copied(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    first = make(Path("resources/images"), "first")
    files = [str(first.folder / f"{name}{suffix}") for name in NAMES for suffix in first.suffixes]
    record_job("fetch_images_0000", {}, {}, {"files": files}, {}, {}, 1, __file__)
    (first.folder / "ant.tar").write_text("made ant.tar".replace("a", "b", 1))
    second = store(first.folder.parent, "second")
    assert second.copy(DIGESTS, INPUTS) == ["ant"]
    assert "first/ant.tar is damaged" in caplog.text
    assert [path.name for path in sorted(second.folder.glob("*.tar"))] == ["bee.tar"]

    third = store(first.folder.parent, "third")
    for text in ("", "[1]", "{}", "3"):
        (first.folder / ".classes/bee.json").write_text(text)
        assert reused(third) == ["ant"]
        assert reused(first) == []
