"""What is checked before the first job, and what happens when a disk runs full later."""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parley.runtime.start_checks import LEAST_BYTES, date_problems, write_problems

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("free", [0, LEAST_BYTES // 2, 2 * LEAST_BYTES])
def test_a_folder_without_space_is_reported(tmp_path, small_disk, free):
    small_disk.mount(tmp_path / "disk", 8192 + free)
    (tmp_path / "disk/full").write_bytes(bytes(8192))
    (tmp_path / "disk/in").mkdir()
    found = write_problems([tmp_path / "disk", tmp_path / "disk/not/there/yet", tmp_path])
    assert len(found) == (0 if free > LEAST_BYTES else 1)
    assert all("disk cannot be written to (No space left on device); free disk space" in problem for problem in found)
    assert {path.name for path in (tmp_path / "disk").iterdir()} == {"full", "in"}


def test_only_a_folder_of_temporary_files_may_be_replaced_by_tmpdir(tmp_path, small_disk, monkeypatch):
    small_disk.mount(tmp_path / "disk", 8192)
    monkeypatch.delenv("TMP", raising=False)
    assert "TMPDIR" not in write_problems([tmp_path / "disk"])[0]
    monkeypatch.setenv("TMPDIR", str(tmp_path / "disk"))
    assert "or set TMPDIR to another folder." in write_problems([tmp_path / "disk"])[0]


@pytest.mark.parametrize("kind", ["file", "folder", "folder with Snakemake's date", "link"])
def test_a_date_in_the_future_is_reported_whatever_has_it(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    late, old = time.time() + 3600, time.time() - 3600
    Path("file").touch()
    Path("folder").mkdir()
    Path("folder/.snakemake_timestamp").touch()
    Path("link").symlink_to("file")
    Path("dangling link").symlink_to("nowhere")
    assert date_problems(["file", "folder", "link", "dangling link", "missing"]) == []
    at = {"folder with Snakemake's date": "folder/.snakemake_timestamp", "link": "file"}.get(kind, kind)
    if kind == "folder":
        Path("folder/.snakemake_timestamp").unlink()
    os.utime(at, (late, late), follow_symlinks=False)
    named = at.partition("/")[0] if kind != "link" else kind
    (problem,) = date_problems([named, "missing"])
    assert f"1 input has a date in the future ({named})" in problem
    os.utime(at, (old, old), follow_symlinks=False)
    assert date_problems([named]) == []


def test_the_command_names_the_folders_of_results_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    late = time.time() + 3600
    names = ["results/a/x.tsv", "results/a/y.tsv", "results/a/runs/r/1/best.pt", "resources/b/c.tar", "my data/t.tsv"]
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
        os.utime(name, (late, late))
    (problem,) = date_problems(names)
    assert "5 inputs have dates in the future" in problem
    assert "and 2 more)" in problem
    command = problem.split("`")[1]
    assert shlex.split(command)[:4] == ["find", "my data/t.tsv", "resources", "results/a"]
    subprocess.run(command, shell=True, check=True)
    assert date_problems(names) == []
    assert len({Path(name).stat().st_mtime_ns for name in names}) == 1  # Snakemake takes none for newer than another.


def with_tmpdir(folder):
    return {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "PYTHONPATH": str(ROOT / "src")}


def test_a_solver_that_cannot_write_its_files_is_done_without(small_disk, tmp_path):
    small_disk.mount(tmp_path / "disk", 4096)
    (tmp_path / "disk/full").write_bytes(bytes(4096))
    program = (
        "import types, pulp, snakemake.api\n"
        "from snakemake.scheduling.milp import Scheduler\n"
        "from parley.runtime.snakemake_patches import fall_back_to_greedy_scheduler\n"
        "fall_back_to_greedy_scheduler()\n"
        "settings = types.SimpleNamespace(solver='PULP_CBC_CMD', solver_path=None)\n"
        "problem = pulp.LpProblem('jobs', pulp.LpMaximize)\n"
        "problem += pulp.LpVariable('job', 0, 1, pulp.LpInteger)\n"
        "try:\n"
        "    Scheduler._solve_ilp(types.SimpleNamespace(settings=settings), problem)\n"
        "except pulp.PulpSolverError as error:\n"
        "    print('told:', error)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=with_tmpdir(tmp_path / "disk"), capture_output=True, text=True, timeout=60)
    assert "told: [Errno 28] No space left on device" in done.stdout
    assert "Is the folder of temporary files (TMPDIR) full?" in done.stdout


JOB = """
import os, sys, types
sys.path.insert(0, "workflow/scripts")
import stage
from parley.core.progress import SHOWN, identity_of
if {shown}: os.environ[SHOWN] = identity_of(2)
class Job(types.SimpleNamespace):
    rule, threads, input, output, params, wildcards, config, log = "draw", 1, {{}}, {{}}, {{}}, {{}}, {{}}, [{log!r}]
with stage.stage(Job()) as logger:
    for number in range(200):
        logger.info("line %d of many", number)
    raise stage.ParleyError("The last sentence.")
"""


@pytest.mark.parametrize("shown", [True, False], ids=["the view has the terminal", "the job has the terminal"])
def test_a_message_that_does_not_fit_on_the_disk_is_printed(small_disk, tmp_path, shown):
    small_disk.mount(tmp_path / "logs", 8192)
    (tmp_path / "logs/full").write_bytes(bytes(4096))
    program = JOB.format(shown=shown, log=str(tmp_path / "logs/job.log"))
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "job.log cannot be written (No space left on device); free disk space" in done.stderr
    assert done.stderr.count("line 199 of many") == 1
    assert "The last sentence." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_log_that_cannot_be_opened_ends_the_job_in_a_sentence(tmp_path):
    (tmp_path / "logs").touch()
    program = JOB.format(shown=True, log=str(tmp_path / "logs/job.log"))
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "draw: " in done.stderr
    assert "logs/job.log cannot be written (" in done.stderr
    assert "Traceback" not in done.stderr
