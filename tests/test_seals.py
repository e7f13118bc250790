"""Files that are no longer what their stage wrote."""

import json

import pytest

from parley.dates import keep_date, record_of
from parley.errors import ParleyError
from parley.seals import refuse_damaged, seal

CONTENT = b"class\tkey\n" + bytes(range(256)) * 8


def flipped(content):
    return content[:700] + bytes([content[700] ^ 4]) + content[701:]


@pytest.fixture
def sealed(tmp_path):
    path = tmp_path / "splits.tsv"
    path.write_bytes(CONTENT)
    seal([path], "settle")
    return path


@pytest.mark.parametrize("damaged", [flipped(CONTENT), CONTENT[:-1], b"", b"PK\x03\x04 another kind", CONTENT + b"\n"])
def test_every_kind_of_damage_is_refused_with_the_way_out(sealed, damaged):
    refuse_damaged([sealed])
    sealed.write_bytes(damaged)
    with pytest.raises(
        ParleyError, match=r"splits.tsv is damaged: .* the stage settle wrote\. Remove it and run again"
    ):
        refuse_damaged([sealed])


def test_all_damaged_files_are_told_at_once_and_sound_ones_are_not(tmp_path):
    paths = [tmp_path / f"{name}.csv" for name in "abc"]
    for path in paths:
        path.write_bytes(CONTENT)
    seal(paths, "summarise")
    for path in paths[:2]:
        path.write_bytes(flipped(CONTENT))
    with pytest.raises(ParleyError) as caught:
        refuse_damaged(paths)
    assert [finding.split()[0] for finding in caught.value.findings] == list(map(str, paths[:2]))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for step in (3, 6):
        (folder / f"{step:08d}.pt").write_bytes(CONTENT * step)
    seal([folder], "train_run")
    return folder


def test_a_folder_is_sealed_whole_and_what_snakemake_puts_into_it_does_not_count(folder):
    (folder / ".snakemake_timestamp").touch()
    refuse_damaged([folder])


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
        refuse_damaged([folder])


def test_a_persons_own_file_and_an_output_that_was_not_made_have_no_seal(tmp_path):
    (tmp_path / "mine.csv").write_bytes(CONTENT)
    seal([tmp_path / "absent"], "x")
    refuse_damaged([tmp_path / "mine.csv", tmp_path / "absent"])
    assert not (tmp_path / ".made").exists()


def test_a_changed_file_passes_once_its_seal_is_removed_as_it_is_told(sealed):
    sealed.write_bytes(flipped(CONTENT))
    record_of(sealed).unlink()
    refuse_damaged([sealed])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"sha256": 3}', b"\xff"])
def test_a_damaged_seal_is_told_and_a_new_one_takes_its_place(sealed, content):
    record_of(sealed).write_bytes(content)
    with pytest.raises(ParleyError, match=r"\.made/splits\.tsv\.json .*remove it and run again"):
        refuse_damaged([sealed])
    seal([sealed], "settle")
    refuse_damaged([sealed])


def test_a_seal_keeps_the_date_that_a_file_made_again_is_to_have(sealed):
    keep_date(sealed)
    made = json.loads(record_of(sealed).read_text())["mtime_ns"]
    seal([sealed], "fetch")
    sealed.write_bytes(CONTENT)
    assert keep_date(sealed)
    assert sealed.stat().st_mtime_ns == made
