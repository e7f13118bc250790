"""`parley verify` finds changed, missing and unknown files, and its exit status reports them."""

import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from made_history import record, write

from parley.cli.main import main
from parley.core.errors import ParleyError
from parley.provenance.document import write_provenance
from parley.provenance.hashing import check_undamaged
from parley.provenance.records import write_record


@pytest.fixture
def verified(history, capsys):
    """Call `parley verify` on the small history; return its status and output."""
    write_provenance("results/e")

    def call(*more, folder="results/e"):
        status = main(["verify", str(folder), *more])
        return status, *capsys.readouterr()

    return call


def test_unchanged_files_pass(verified):
    status, out, _ = verified()
    assert status == 0
    assert out == "5 files match results/e/provenance.json.\n"


def test_it_works_from_any_folder(verified, history, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert verified(folder=history / "results/e")[0] == 0


@pytest.mark.parametrize("path", ["results/e/sum.txt", "results/e/pages/two.html", "resources/table.tsv", "words.txt"])
@pytest.mark.parametrize("position", [0, -1])
def test_one_flipped_bit_anywhere_is_found(verified, path, position):
    content = bytearray(Path(path).read_bytes())
    content[position] ^= 1
    stat = Path(path).stat()
    Path(path).write_bytes(content)
    # Only the bytes differ.
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    status, out, _ = verified()
    assert status == 1
    assert "1 changed" in out
    assert f"  {path}\n" in out


def test_without_access_to_a_file_the_check_cannot_run(verified, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("parley.provenance.verification.sha256_of", denied)
    status, out, err = verified()
    assert (status, out) == (2, "")
    assert "Permission denied" in err


def test_a_missing_file_is_found(verified):
    Path("results/e/sum.txt").unlink()
    status, out, _ = verified()
    assert status == 1
    assert "1 missing" in out


def test_a_file_without_a_record_is_found(verified):
    write(Path("results/e/pages/notes.txt"), "mine")
    status, out, _ = verified()
    assert status == 1
    assert "1 unknown" in out
    assert "notes.txt" in out


def test_files_made_since_are_new_and_pass(verified):
    write(Path("results/e/more.txt"), "more")
    write_record(record("more", {"sum": ["results/e/sum.txt"]}, {"more": ["results/e/more.txt"]}, 8))
    write(Path("results/e/sum.txt"), "5")
    write_record(record("paint", {}, {"pages": ["results/e/pages"], "sum": ["results/e/sum.txt"]}, 9))
    status, out, _ = verified()
    assert status == 0
    assert "2 new" in out
    Path("results/e/more.txt").write_text("else")
    assert verified()[0] == 1


def test_long_lists_are_cut_unless_asked(verified):
    for number in range(12):
        write(Path(f"results/e/stray-{number:02d}.txt"), "x")
    assert "and 2 more" in verified()[1]
    assert "stray-11.txt" in verified("--full")[1]


def test_progress_counts_files_however_small(verified, caplog):
    caplog.set_level("INFO", logger="parley.core.progress")
    verified()
    files = sum(path.is_file() for path in Path("results/e").rglob("*") if ".records" not in path.parts)
    count = re.fullmatch(r"Hashing: (\d+) of (\d+) files, .*", caplog.messages[-1])
    assert int(count[1]) == int(count[2]) >= files - 1  # but for provenance.json itself


@pytest.mark.parametrize(
    "content",
    [
        *(None, "", "[]", "{}", "null", '{"entity": []}', '{"entity": {"path:a": 3}}'),
        '{"entity": {"path:a": {"parley:state": "x", "parley:bytes": "1", "parley:sha256": null}}}',
    ],
)
def test_without_a_readable_provenance_json_the_status_is_2(verified, content):
    path = Path("results/e/provenance.json")
    path.unlink() if content is None else path.write_text(content)
    status, out, err = verified()
    assert status == 2
    assert out == ""
    assert "provenance.json" in err


def test_an_edited_plugin_is_not_called_damaged(verified):
    write(Path("own.py"), "one = 1\n")
    write(Path("results/e/ones.csv"), "1")
    write_record(record("measure", {"plugins": ["own.py"]}, {"language": ["results/e/ones.csv"]}, 3))
    write_provenance("results/e")
    assert verified()[0] == 0
    write(Path("own.py"), "one = 2\n")
    status, out, _ = verified()
    assert status == 1
    assert out.startswith("1 edited: a plug-in was edited after jobs ran it; comments do not matter, and `")
    assert out.endswith("parley status` names the parts that changed\n  own.py\n"
                        "6 files match results/e/provenance.json; 1 does not.\n")  # fmt: skip


@pytest.mark.parametrize("folder", ["results/copy", "results/a b", "elsewhere/results/e", "elsewhere/results/copy"])
def test_verifies_the_files_of_a_copied_folder(verified, folder):
    shutil.copytree("results/e", folder)
    if folder.startswith("elsewhere"):
        shutil.copytree("resources", "elsewhere/resources")
        shutil.copy("words.txt", "elsewhere")
    status, out, _ = verified(folder=folder)
    assert (status, out) == (0, f"5 files match {folder}/provenance.json.\n")
    Path(folder, "sum.txt").write_text("4")
    status, out, _ = verified(folder=folder)
    assert status == 1
    assert f"1 changed: not the bytes that their jobs wrote\n  {folder.removeprefix('elsewhere/')}/sum.txt\n" in out
    assert out.endswith(f"4 files match {folder}/provenance.json; 1 does not.\n")
    Path(folder, "sum.txt").unlink()
    Path(folder, "notes.txt").write_text("mine")
    status, out, _ = verified(folder=folder)
    assert "1 missing" in out
    assert "1 unknown" in out
    assert out.endswith("; 2 do not.\n")
    assert verified()[0] == 0


def test_a_copy_without_records_is_checked(verified):
    shutil.copytree("results/e", "results/copy", ignore=shutil.ignore_patterns(".records"))
    assert verified(folder="results/copy")[0] == 0
    Path("results/copy/sum.txt").write_text("4")
    assert verified(folder="results/copy")[0] == 1


def test_explains_and_checks_the_files_of_a_copy(verified, capsys):
    shutil.copytree("results/e", "results/copy")
    assert main(["explain", "results/copy/sum.txt"]) == 0
    assert "made by paint" in capsys.readouterr().out
    check_undamaged(["results/copy/sum.txt"])
    Path("results/copy/sum.txt").write_text("4")
    with pytest.raises(ParleyError, match=r"remove (results/copy/\.records/paint-\w+\.json) instead") as caught:
        check_undamaged(["results/copy/sum.txt"])
    assert Path(re.search(r"remove (\S+) instead", str(caught.value))[1]).is_file()


def test_refuses_to_pack_a_copy(verified, capsys):
    shutil.copytree("results/e", "results/copy")
    assert main(["crate", "results/copy", "--out", "c.zip"]) == 1
    assert "is a copy of results/e" in capsys.readouterr().err


def test_a_crate_is_made_of_a_copy_with_its_own_provenance_json(verified):
    shutil.copytree("results/e", "results/copy")
    write_provenance("results/copy")
    assert main(["crate", "results/copy", "--out", "c.zip"]) == 0
    zipfile.ZipFile("c.zip").extractall("elsewhere")
    assert {path.name for path in Path("elsewhere/results/copy/.records").iterdir()} == {
        path.name for path in Path("results/e/.records").glob("paint-*")
    }
    assert main(["explain", "elsewhere/results/copy/sum.txt"]) == 0


@pytest.mark.parametrize("folder", ["results/copy", "results/again"])  # One record's name is before the copied one's.
def test_the_latest_record_of_a_job_that_ran_again_in_a_copy_is_named(verified, folder):
    shutil.copytree("results/e", folder)
    latest = write_record(record("paint", {}, {"pages": [f"{folder}/pages"], "sum": [f"{folder}/sum.txt"]}, 9))
    Path(folder, "sum.txt").write_text("4")
    with pytest.raises(ParleyError, match=f"remove {re.escape(str(latest))} instead"):
        check_undamaged([f"{folder}/sum.txt"])


def test_a_path_that_is_not_a_results_folder_is_refused(verified):
    for folder in ("results/f", "."):
        status, _, err = verified(folder=folder)
        assert status == 2
        assert err.endswith(("check the path.\n", "the workflow writes its files.\n"))
