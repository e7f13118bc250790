"""Files that are no longer what their stage wrote."""

from pathlib import Path

import pytest
from made_history import record

from parley.core.errors import ParleyError
from parley.provenance.hashing import check_undamaged
from parley.provenance.records import record_path, write_record

CONTENT = b"class\tkey\n" + bytes(range(256)) * 8


def flipped(content):
    return content[:700] + bytes([content[700] ^ 4]) + content[701:]


def made(paths, stage, minute=0):
    """Have a stage make files, as far as its record tells; return where that lies."""
    told = record(stage, {}, {"made": list(map(str, paths))}, minute)
    write_record(told)
    return record_path(told)


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
def test_every_kind_of_damage_is_refused_with_the_way_out(recorded, damaged):
    check_undamaged([recorded])
    recorded.write_bytes(damaged)
    with pytest.raises(
        ParleyError, match=r"splits.tsv is damaged: .* the stage settle wrote\. Remove it and run again"
    ):
        check_undamaged([recorded])


def test_all_damaged_files_are_told_at_once_and_sound_ones_are_not(here):
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
def test_it_is_the_same_from_anywhere(recorded, tmp_path, monkeypatch, whole):
    recorded.write_bytes(flipped(CONTENT))
    monkeypatch.chdir(tmp_path / "results")
    path = tmp_path / recorded if whole else Path("../results/e/splits.tsv")
    with pytest.raises(ParleyError, match=rf"^{path} is damaged.* remove {tmp_path}/results/e/\.records/settle-"):
        check_undamaged([path])


@pytest.fixture(params=["alone", "among others"])
def folder(request, here):
    """A folder that is all that a stage makes, whose record lies in it; or one output of several."""
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


def test_what_snakemake_puts_into_a_folder_does_not_count(folder):
    (folder / ".snakemake_timestamp").touch()
    check_undamaged([folder])


@pytest.mark.parametrize("change", ["flip", "remove", "rename", "add"])
def test_any_change_of_a_folder_is_seen(folder, change):
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


def test_a_folder_made_again_with_fewer_files_is_sound(folder):
    (folder / "00000006.pt").unlink()
    made([folder], "train_run", minute=5)
    check_undamaged([folder])


def test_a_file_that_another_stage_makes_in_the_end_is_that_stages(recorded):
    recorded.write_bytes(flipped(CONTENT))
    made([recorded], "settle_again", minute=5)
    check_undamaged([recorded])


def test_a_persons_own_file_and_what_is_not_there_pass(here, tmp_path):
    own = tmp_path / "mine.csv"
    for path in (own, here / "mine.csv"):
        path.write_bytes(CONTENT)
    check_undamaged([own, here / "mine.csv", here / "absent", here])


def test_a_changed_file_passes_once_its_record_is_removed_as_it_is_told(recorded):
    recorded.write_bytes(flipped(CONTENT))
    with pytest.raises(ParleyError) as caught:
        check_undamaged([recorded])
    Path(str(caught.value).partition("on purpose, remove ")[2].split()[0]).unlink()
    check_undamaged([recorded])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"format": 1}', b"\xff"])
def test_a_damaged_record_is_told_and_a_new_one_takes_its_place(recorded, content):
    (place,) = (recorded.parent / ".records").glob("settle-*.json")
    place.write_bytes(content)
    with pytest.raises(ParleyError, match=r"\.records/settle-\w+\.json .*remove it"):
        check_undamaged([recorded])
    made([recorded], "settle")
    check_undamaged([recorded])
