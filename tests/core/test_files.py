import errno
import os
import time

import h5py
import numpy as np
import pytest

from parley.core.errors import ParleyError
from parley.core.file_names import LONGEST_FILE_NAME_BYTES, length_problems
from parley.core.files import copy_file, keep_date, remove_all_leftovers, write_json, write_text, written_aside
from parley.core.tables import write_table


def test_a_full_disk_is_reported_and_keeps_the_old_file(tmp_path, small_disk):
    small_disk.mount(tmp_path / "disk", 8192)
    write_text(tmp_path / "disk" / "a.txt", "before")
    with pytest.raises(ParleyError, match=r"a\.txt cannot be written \(No space left on device\)\. Free disk space"):
        write_text(tmp_path / "disk" / "a.txt", "x" * 100_000)
    with pytest.raises(ParleyError, match=r"b\.tsv cannot be written"):
        write_table(tmp_path / "disk" / "b.tsv", ["a"], [["x" * 1000]] * 100)
    assert [path.read_text() for path in (tmp_path / "disk").iterdir()] == ["before"]


@pytest.mark.parametrize("below", ["a.json", "new/a.json"])
def test_a_read_only_disk_is_reported(tmp_path, small_disk, below):
    small_disk.mount(tmp_path / "disk", 8192)
    small_disk.make_read_only(tmp_path / "disk")
    with pytest.raises(ParleyError, match=rf"disk/{below} cannot be written \(Read-only file system\)"):
        write_json(tmp_path / "disk" / below, 1)


def test_a_full_disk_is_reported_for_hdf5(tmp_path, small_disk):
    small_disk.mount(tmp_path / "disk", 8192)
    with pytest.raises(ParleyError, match=r"a\.hdf5 cannot be written .*No space left"):
        write_much(tmp_path / "disk" / "a.hdf5")
    assert list((tmp_path / "disk").iterdir()) == []


def write_much(path):
    with written_aside(path) as aside, h5py.File(aside, "w") as file:
        file["rows"] = np.random.default_rng(1).random((100, 1000))


def test_a_record_on_a_full_disk_is_reported(tmp_path, small_disk):
    small_disk.mount(tmp_path / "disk", 4096)
    (tmp_path / "disk" / "a.txt").write_text("x" * 4096)
    with pytest.raises(ParleyError, match="cannot be written"):
        keep_date(tmp_path / "disk" / "a.txt")


@pytest.mark.parametrize("below", ["a.json", "in/it/a.json"])
def test_a_file_given_as_folder_is_reported(tmp_path, below):
    (tmp_path / "made").write_text("")
    with pytest.raises(ParleyError, match="made is a file, not a folder; choose another path"):
        write_json(tmp_path / "made" / below, 1)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a named pipe"),
        (lambda path: path.symlink_to("/dev/null"), "a device"),
        (lambda path: path.mkdir(), "a folder"),
    ],
)
def test_pipes_devices_and_folders_are_not_replaced(tmp_path, make, kind):
    make(tmp_path / "out")
    before = (tmp_path / "out").lstat().st_ino
    with pytest.raises(ParleyError, match=f"out is {kind}, which would be replaced by a file"):
        write_text(tmp_path / "out", "text")
    assert (tmp_path / "out").lstat().st_ino == before
    if kind != "a folder":
        with pytest.raises(ParleyError, match=f"out is {kind}, not a folder"):
            write_text(tmp_path / "out/a.json", "text")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("x" * 300 + "/a", "File name too long"), ("loop/a", "File exists")],
)
def test_paths_that_the_disk_refuses_are_reported(tmp_path, name, reason):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ParleyError, match=rf"{name} cannot be written \({reason}\)"):
        write_text(tmp_path / name, "text")


def test_other_errors_are_not_reported_as_disk_errors(tmp_path):
    with pytest.raises(FileNotFoundError), written_aside(tmp_path / "a.txt") as aside:
        aside.write_text((tmp_path / "missing.txt").read_text())
    with pytest.raises(OSError, match="reset") as raised, written_aside(tmp_path / "a.txt"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")
    assert not isinstance(raised.value, ParleyError)
    assert list(tmp_path.iterdir()) == []


def test_only_partial_files_are_removed(tmp_path):
    half = tmp_path / f".a.tsv.{'0' * 12}.part"
    others = [tmp_path / name for name in ("a.tsv", ".a.tsv.part", "b.part", ".made")]
    for path in (half, *others):
        path.touch()
    (tmp_path / f".d.{'1' * 12}.part").mkdir()
    assert remove_all_leftovers([tmp_path, tmp_path / "absent"]) == [half]
    assert all(path.exists() for path in others)


@pytest.mark.parametrize("refuses", [False, True])
def test_copy_file_with_and_without_copy_file_range(tmp_path, monkeypatch, refuses):
    content = os.urandom(300_000)
    (tmp_path / "a").write_bytes(content)
    if refuses:
        copy_range = os.copy_file_range

        def after_some_bytes(source, destination, count):
            if os.lseek(source, 0, os.SEEK_CUR):
                raise OSError(errno.EXDEV, "cross-device")
            return copy_range(source, destination, 1000)

        monkeypatch.setattr(os, "copy_file_range", after_some_bytes)
    copy_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == content
    (tmp_path / "a").write_bytes(b"later")
    assert (tmp_path / "b").read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 2


def test_a_recorded_date_in_the_future_is_not_restored(tmp_path):
    path, late = tmp_path / "a.tar", time.time() + 3600
    path.write_text("a")
    os.utime(path, (late, late))
    assert keep_date(path)
    path.write_text("a")
    assert keep_date(path)
    assert path.stat().st_mtime <= time.time()
    made = path.stat().st_mtime_ns
    os.utime(path)
    assert keep_date(path)
    assert path.stat().st_mtime_ns == made


def test_a_name_is_too_long_if_that_of_its_temporary_file_is(tmp_path):
    longest = "x" * LONGEST_FILE_NAME_BYTES
    assert length_problems([f"results/{longest}"]) == []
    write_text(tmp_path / longest, "a")
    for name in (f"{longest}x", "é" * 120):
        (problem,) = length_problems([f"results/{name}/a", f"results/{name}/b"])
        assert f"would be {len(name.encode())} bytes long, of at most {LONGEST_FILE_NAME_BYTES}" in problem
    with pytest.raises(ParleyError, match="File name too long"):
        write_text(tmp_path / f"{longest}x", "a")
