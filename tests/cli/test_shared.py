"""How commands end, and what they need to start."""

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_history import record, write

from parley.cli.main import main
from parley.cli.shared import TRACEBACK, finish, require_files
from parley.core.errors import ParleyError
from parley.provenance.records import write_record

ROOT = Path(__file__).parents[2]


def chosen(**values):
    return argparse.Namespace(command="test", **values)


def raising(error):
    def run(_):
        raise error

    return run


def test_help_loads_neither_torch_nor_snakemake():
    code = "import sys, parley.cli.main; sys.exit('torch' in sys.modules or 'snakemake' in sys.modules)"
    source = str(ROOT / "src")
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}).returncode == 0


@pytest.mark.parametrize("command", ["status", "evaluate", "messages", "train", "config-docs"])
def test_each_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"parley {command}" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["0", "-2", "six"])
def test_a_number_that_cannot_be_is_refused(number, capsys):
    files = ["--features", "f", "--descriptions", "d", "--words", "w", "--out", "o"]
    with pytest.raises(SystemExit):
        main(["evaluate", "c.pt", *files, "--k", number])
    assert f"invalid number above 0 value: '{number}'" in capsys.readouterr().err


def test_config_docs_writes_the_list_of_keys_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["config-docs", "--out", "keys.md"]) == 0
    assert (tmp_path / "keys.md").read_bytes() == (ROOT / "config/README.md").read_bytes()


def test_a_defect_is_reported_with_a_traceback_on_request(capsys, monkeypatch):
    assert finish(raising(ZeroDivisionError("by zero")), chosen()) == 1
    told = capsys.readouterr().err
    assert told.startswith("ZeroDivisionError: by zero. This is a defect")
    assert "Traceback" not in told
    monkeypatch.setenv(TRACEBACK, "1")
    assert finish(raising(ZeroDivisionError("by zero")), chosen()) == 1
    assert "Traceback" in capsys.readouterr().err


def test_errors_of_the_system_are_reported(capsys):
    assert finish(raising(PermissionError(13, "Permission denied", "/root/x")), chosen()) == 1
    assert capsys.readouterr().err == "/root/x: Permission denied; check the path and its permissions.\n"


def test_ctrl_c_is_not_reported_as_an_error(capsys):
    assert finish(raising(KeyboardInterrupt()), chosen()) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_a_command_may_say_how_it_ends(capsys):
    assert finish(lambda _: None, chosen()) == 0
    assert finish(lambda _: 1, chosen()) == 1
    wrong = ParleyError("It is wrong.")
    assert [finish(raising(wrong), chosen(**given)) for given in ({}, {"status_of_error": 2})] == [1, 2]
    assert finish(raising(OSError(28, "No space")), chosen(status_of_error=2)) == 2
    assert capsys.readouterr().out == ""


def test_a_file_that_a_disk_damaged_is_refused_as_in_the_workflow(tmp_path):
    part = tmp_path / "results/e/test.hdf5"
    with contextlib.chdir(tmp_path):
        write(part, "as it was written")
        write_record(record("gather_features", {}, {"part": ["results/e/test.hdf5"]}))
    require_files([part])
    part.write_bytes(b"as it was wrItten")
    with pytest.raises(ParleyError, match=r"test\.hdf5 is damaged"):
        require_files([part])


NO_FILES = [
    (lambda path: os.mkfifo(path), "a named pipe"),
    (lambda path: path.symlink_to("/dev/zero"), "a device"),
    (lambda path: path.mkdir(), "a folder"),
]


@pytest.mark.parametrize(("make", "kind"), NO_FILES)
@pytest.mark.parametrize("at", range(4))
def test_pipes_devices_and_folders_are_not_read(tmp_path, make, kind, at, capsys):
    paths = [tmp_path / name for name in ("best.pt", "test.hdf5", "descriptions.csv", "words.hdf5")]
    for path in paths:
        path.write_bytes(b"")
    paths[at].unlink()
    make(paths[at])
    values = [str(paths[0])]
    for option, path in zip(("--features", "--descriptions", "--words"), paths[1:], strict=True):
        values += [option, str(path)]
    for command in ("evaluate", "messages"):
        assert main([command, *values, "--out", str(tmp_path / "out")]) == 1
        assert f"{paths[at]} is {kind}; give the path of a file." in capsys.readouterr().err


def inserted(page, tmp_path):
    table = tmp_path / "claims.md"
    table.write_text("| a |\n|---|\n")
    return main(["insert", str(table), "--into", str(page), "--name", "x"])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "ä\u2028b"])
def test_an_inserted_table_changes_nothing_else_of_a_page(tmp_path, start, end):
    page, link = tmp_path / "page.md", tmp_path / "link.md"
    before = end.join([f"{start}<!-- table x -->", "{}<!-- end -->", "after", ""])
    page.write_bytes(before.format("").encode())
    page.chmod(0o640)
    link.symlink_to(page)
    assert inserted(link, tmp_path) == 0
    assert page.read_bytes() == before.format(f"| a |{end}|---|{end}").encode()
    assert page.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_page_in_another_encoding_is_refused_and_kept(tmp_path, capsys, encoding):
    page = tmp_path / "page.md"
    page.write_bytes("é\n<!-- table x -->\n<!-- end -->\n".encode(encoding))
    before = page.read_bytes()
    assert inserted(page, tmp_path) == 1
    assert "page.md is not UTF-8 text" in capsys.readouterr().err
    assert page.read_bytes() == before
