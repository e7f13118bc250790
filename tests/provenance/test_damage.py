"""Files that differ from what their stage wrote are detected."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_history import record

from parley.core.errors import ParleyError
from parley.provenance.hashing import check_undamaged
from parley.provenance.records import record_path, write_record

CONTENT = b"class\tkey\n" + bytes(range(256)) * 8


def flipped(content):
    return content[:700] + bytes([content[700] ^ 4]) + content[701:]


def made(paths, stage, minute=0, **wildcards):
    """Write the record of a stage that made files, and return its path."""
    one = replace(record(stage, {}, {"made": list(map(str, paths))}, minute), wildcards=wildcards)
    write_record(one)
    return record_path(one)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("results/e")
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def recorded(here):
    path = here / "splits.tsv"
    path.write_bytes(CONTENT)
    made([path], "settle")
    return path


@pytest.mark.parametrize("damaged", [flipped(CONTENT), CONTENT[:-1], b"", b"PK\x03\x04 another kind", CONTENT + b"\n"])
def test_every_kind_of_damage_is_reported_with_the_remedy(recorded, damaged):
    check_undamaged([recorded])
    recorded.write_bytes(damaged)
    with pytest.raises(
        ParleyError, match=r"splits.tsv is damaged: .* the stage settle wrote\. Remove it and run again"
    ):
        check_undamaged([recorded])


def test_all_damaged_files_are_reported_at_once_and_intact_ones_are_not(here):
    paths = [here / f"{name}.csv" for name in "abc"]
    for path in paths:
        path.write_bytes(CONTENT)
    made(paths, "summarise")
    for path in paths[:2]:
        path.write_bytes(flipped(CONTENT))
    with pytest.raises(ParleyError) as caught:
        check_undamaged(paths)
    assert [finding.split()[0] for finding in caught.value.findings] == list(map(str, paths[:2]))


@pytest.mark.parametrize("whole", [False, True])
def test_it_works_from_any_folder(recorded, tmp_path, monkeypatch, whole):
    recorded.write_bytes(flipped(CONTENT))
    monkeypatch.chdir(tmp_path / "results")
    path = tmp_path / recorded if whole else Path("../results/e/splits.tsv")
    with pytest.raises(ParleyError, match=rf"^{path} is damaged.* remove {tmp_path}/results/e/\.records/settle-"):
        check_undamaged([path])


@pytest.fixture(params=["alone", "among others"])
def folder(request, here):
    """A folder that is the only output of a stage, with the record in it, or one of several outputs."""
    folder = here / "checkpoints"
    folder.mkdir()
    for step in (3, 6):
        (folder / f"{step:08d}.pt").write_bytes(CONTENT * step)
    others = []
    if request.param == "among others":
        others = [here / "metrics.jsonl"]
        others[0].write_bytes(CONTENT)
    made([folder, *others], "train_run")
    return folder


def test_snakemakes_timestamp_in_a_folder_is_ignored(folder):
    (folder / ".snakemake_timestamp").touch()
    check_undamaged([folder])


@pytest.mark.parametrize("change", ["flip", "remove", "rename", "add"])
def test_any_change_of_a_folder_is_detected(folder, change):
    file = folder / "00000003.pt"
    if change == "flip":
        file.write_bytes(flipped(file.read_bytes()))
    elif change == "remove":
        file.unlink()
    elif change == "rename":
        file.rename(folder / "00000004.pt")
    else:
        (folder / "00000009.pt").write_bytes(b"")
    with pytest.raises(ParleyError, match="checkpoints is damaged"):
        check_undamaged([folder])


def test_a_folder_made_again_with_fewer_files_is_intact(folder):
    (folder / "00000006.pt").unlink()
    made([folder], "train_run", minute=5)
    check_undamaged([folder])


def test_a_file_is_compared_with_the_record_of_its_last_stage(recorded):
    recorded.write_bytes(flipped(CONTENT))
    made([recorded], "settle_again", minute=5)
    check_undamaged([recorded])


def test_a_users_own_file_and_a_missing_file_pass(here, tmp_path):
    own = tmp_path / "mine.csv"
    for path in (own, here / "mine.csv"):
        path.write_bytes(CONTENT)
    check_undamaged([own, here / "mine.csv", here / "absent", here])


def test_a_changed_file_passes_once_its_record_is_removed_as_the_message_says(recorded):
    recorded.write_bytes(flipped(CONTENT))
    with pytest.raises(ParleyError) as caught:
        check_undamaged([recorded])
    Path(str(caught.value).partition("on purpose, remove ")[2].split()[0]).unlink()
    check_undamaged([recorded])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"format": 1}', b"\xff"])
def test_a_damaged_record_is_reported_and_can_be_replaced(recorded, content):
    (path,) = (recorded.parent / ".records").glob("settle-*.json")
    path.write_bytes(content)
    with pytest.raises(ParleyError, match=r"\.records/settle-\w+\.json .*remove it"):
        check_undamaged([recorded])
    made([recorded], "settle")
    check_undamaged([recorded])


@pytest.mark.parametrize("stray", [False, True])
def test_a_folder_that_the_job_left_empty_when_it_ran_again_is_intact(here, stray):
    folder, log = here / "checkpoints", here / "metrics.jsonl"
    folder.mkdir()
    (folder / "00000003.pt").write_bytes(CONTENT)
    log.write_bytes(CONTENT)
    made([folder, log], "train_run", run="adaptive", seed="1")
    (folder / "00000003.pt").unlink()
    with pytest.raises(ParleyError, match="checkpoints is damaged"):
        check_undamaged([folder])
    made([folder, log], "train_run", minute=5, run="adaptive", seed="1")
    if stray:
        (folder / "00000003.pt").write_bytes(CONTENT)
        with pytest.raises(ParleyError, match="checkpoints is damaged"):
            check_undamaged([folder])
    else:
        check_undamaged([folder])
