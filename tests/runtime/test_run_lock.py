"""File locks end with their process; records of killed processes are removed."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from parley.core.errors import ParleyError
from parley.runtime.run_lock import acquire, acquire_all, register_job

HOLDER = """
import sys
from parley.runtime.run_lock import acquire
acquire("holder", ["in.txt"], ["out.txt"], sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(folder):
    """Another process that reads in.txt and writes out.txt."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_live_process_conflicts_on_the_files_it_writes_and_reads(tmp_path):
    with another_process(tmp_path) as other:
        for inputs, outputs in ((["out.txt"], []), ([], ["out.txt"]), ([], ["in.txt"])):
            with pytest.raises(ParleyError, match=rf"process {other.pid} on .* \(holder\)"):
                acquire("me", inputs, outputs, tmp_path)
        lock, alone = acquire("me", ["in.txt"], ["mine.txt"], tmp_path)
        assert not alone
        lock.close()


def test_all_files_are_locked_only_alone_and_then_for_everyone(tmp_path):
    with another_process(tmp_path) as other:
        with pytest.raises(ParleyError, match=rf"process {other.pid} on .* \(holder\)"):
            acquire_all("me", tmp_path)
        other.kill()
        other.wait()
        lock = acquire_all("me", tmp_path)
    with pytest.raises(ParleyError, match=r"\(me\), running since .* let it finish"):
        acquire("another", [], ["x"], tmp_path)
    with pytest.raises(ParleyError, match=r"\(me\), running since "):
        acquire_all("another", tmp_path)
    lock.close()
    acquire("another", [], ["x"], tmp_path)[0].close()


def test_a_killed_process_does_not_conflict_and_its_record_is_removed(tmp_path):
    with another_process(tmp_path) as other:
        other.kill()
        other.wait()
        assert len(list(tmp_path.glob("*.json"))) == 1
        lock, alone = acquire("me", [], ["out.txt"], tmp_path)
        assert alone
        assert len(list(tmp_path.glob("*.json"))) == 1
        lock.close()
        lock.close()
    assert not list(tmp_path.glob("*.json"))


def test_on_a_file_system_without_locks_the_process_id_decides(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    with another_process(tmp_path) as other:
        monkeypatch.setattr(fcntl, "flock", refuse)
        with pytest.raises(ParleyError, match=rf"process {other.pid} on .* \(holder\)"):
            acquire("me", [], ["out.txt"], tmp_path)
        other.kill()
        other.wait()
        lock, alone = acquire("me", [], ["out.txt"], tmp_path)
    assert alone
    lock.close()


def test_a_job_that_outlives_its_killed_parent_conflicts(tmp_path):
    lock = register_job("train_run", ["out.txt"], tmp_path)
    with pytest.raises(ParleyError, match=r"\(train_run\), running since .* let it finish, or end it, and run again"):
        acquire("me", [], ["out.txt"], tmp_path)
    lock.close()
    assert acquire("me", [], ["out.txt"], tmp_path)[1]


def record(folder, **values):
    known = {"pid": 1, "host": "elsewhere", "boot": "b", "since": "then", "what": "x", "role": "run"}
    (folder / "old.json").write_text(json.dumps({**known, "inputs": [], "outputs": ["o"], **values}))


def test_a_record_of_another_machine_is_kept_and_the_error_names_it(tmp_path):
    record(tmp_path)
    with pytest.raises(
        ParleyError,
        match=r"elsewhere .*cannot tell whether it is still running\. If it no longer runs, remove .*old\.json",
    ):
        acquire("me", [], ["o"], tmp_path)
    assert not acquire("me", [], ["p"], tmp_path)[1]
    assert (tmp_path / "old.json").exists()


def test_records_of_a_container_with_this_kernel_and_of_this_host_before_a_restart_are_removed(tmp_path):
    kernel = Path("/proc/sys/kernel/random/boot_id")
    if not kernel.exists():
        pytest.skip("this system has no boot id")
    record(tmp_path, boot=kernel.read_text().strip())
    acquire("me", [], ["o"], tmp_path)[0].close()
    record(tmp_path, host=socket.gethostname())
    acquire("me", [], ["o"], tmp_path)[0].close()
    assert not list(tmp_path.glob("*.json"))


def test_a_job_that_a_cluster_killed_does_not_conflict(tmp_path):
    record(tmp_path, role="job")
    assert acquire("me", [], ["o"], tmp_path)[1]
    assert not (tmp_path / "old.json").exists()


def test_a_record_cut_short_by_a_kill_is_removed(tmp_path):
    (tmp_path / "cut.json").write_text('{"pid": 12')
    assert acquire("me", [], ["o"], tmp_path)[1]
    assert not (tmp_path / "cut.json").exists()


def test_the_lock_is_not_inherited_by_a_child_that_lives_longer(tmp_path):
    lock, _ = acquire("me", [], ["o"], tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        os.close(lock._descriptor)
        acquire("again", [], ["o"], tmp_path)[0].close()
        child.communicate()
