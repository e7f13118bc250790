"""Full disks, dates in the future and failed runs: a sentence within seconds, and no older table that looks current."""

import os
import re
import signal
import subprocess
import time

import pytest
from tiny_runs import TINY
from whole_lines import SNAKEMAKE, preloaded_snakemake

pytestmark = pytest.mark.slow
RESULTS = "results/tiny"
DERIVED = ("summary.csv", "summary.json", "claims.md", "tables/main.tex", "report.html", "browser.html", "export/elcc")
"""Files for people, and for other tools, that are made from trained runs."""
TABLES = {"name": "main", "runs": [], "parts": [], "metrics": ["accuracy@1"], "caption": ""}


@pytest.fixture(scope="module")
def project(finished):
    """The finished experiment with its tables, claims and exports."""
    finished.write_config("tiny", **TINY, tables=[TABLES])
    finished.snakemake("--cores", "2", "summary", "claims", "tables", "export", config="tiny.yaml")
    finished.snakemake("--cores", "2", config="tiny.yaml")  # Adds them to provenance.json.
    return finished


def change(project, **training):
    """Change a setting of training."""
    project.write_config("tiny", **{**TINY, "tables": [TABLES], "training": {**TINY["training"], **training}})


def ended(project, *arguments, seconds=60, **environment):
    """The exit status, output and duration of a call of Snakemake, as a user sees it."""
    began = time.monotonic()
    done = subprocess.run(
        [*preloaded_snakemake(), *arguments, "--cores", "2", "--configfile", "tiny.yaml"],
        cwd=project.folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )
    return done.returncode, done.stdout, time.monotonic() - began


@pytest.mark.parametrize(
    ("place", "size"),
    [("TMPDIR", 4096), ("TMPDIR", 40_960), (".snakemake", 409_600), ("results", 4096), ("results/tiny/logs", 40_960)],
)
def test_a_full_disk_is_reported_before_the_first_job(project, small_disk, tmp_path, place, size):
    change(project, steps=7)
    disk = tmp_path / "disk" if place == "TMPDIR" else project.folder / place
    aside = disk.with_name(f"{disk.name}-aside")
    if disk.exists():
        disk.rename(aside)
    try:
        small_disk.mount(disk, size)
        (disk / "full").write_bytes(bytes(max(size - 8192, 4096)))
        environment = {"TMPDIR": str(disk)} if place == "TMPDIR" else {}
        status, out, took = ended(project, "summary", **environment)
    finally:
        small_disk.unmount_last()
        disk.rmdir()
        if aside.exists():
            aside.rename(disk)
    assert status == 1
    assert re.search(r"cannot be written (to )?\(No space left on device\)[;.] [Ff]ree disk space", out)
    assert ("set TMPDIR to another folder" in out) == (place == "TMPDIR")
    assert "Traceback" not in out
    assert out.count("snakemake.log cannot be written") <= 1
    assert "1 job failed" not in out
    assert took < 30


def test_dates_in_the_future_are_reported_and_the_command_given_mends_them(project):
    change(project, steps=6)
    assert project.planned("tiny.yaml") == set()
    late = time.time() + 5 * 3600
    for name in ("results", "resources"):
        for path in (project.folder / name).rglob("*"):
            os.utime(path, (late, late))
    change(project, steps=7)
    for arguments in (["train"], ["-n"]):
        status, out, _ = ended(project, *arguments)
        assert status == 1
        assert "have dates in the future (re" in out
        assert "Traceback" not in out
    subprocess.run(out.split("`")[1], shell=True, cwd=project.folder, check=True)
    planned = project.planned("tiny.yaml")
    assert "train_run" in planned
    assert not planned & {"fetch_images_0000", "extract_features_0000", "gather_features", "build_descriptions"}
    change(project, steps=6)
    assert project.planned("tiny.yaml") <= {"write_provenance", "all"}


def test_a_run_that_is_killed_leaves_no_table_of_the_earlier_config(project):
    results = project.folder / RESULTS
    per_seed = [f"runs/adaptive/{seed}/{name}" for seed in (1, 2) for name in ("evaluation.json", "messages.hdf5")]
    assert all((results / name).exists() for name in (*DERIVED, *per_seed))
    change(project, steps=8)
    began = time.time()
    running = subprocess.Popen(
        [*SNAKEMAKE, "all", "claims", "tables", "export", "--cores", "1", "--configfile", "tiny.yaml"],
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        logs = results / "logs/train_run"
        while running.poll() is None and not any(log.stat().st_mtime > began for log in logs.glob("*.log")):
            assert time.time() < began + 120
            time.sleep(0.05)
        assert running.poll() is None
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert [name for name in (*DERIVED, *per_seed) if (results / name).exists()] == []
    # What takes long, and is not of the earlier config or says so itself, remains until its turn.
    assert (results / "runs/adaptive/2/best.pt").exists()
    assert all((results / f"{part}.hdf5").exists() for part in ("train", "dev", "test", "ood"))
    assert set(project.planned("tiny.yaml")) >= {"train_run", "evaluate_run", "summarise", "build_report"}


def test_exit_status_if_every_seed_failed(project):
    change(project, optimizer="SGD", learning_rate=1e30)
    for target in ("train", "train", "summary"):  # The second has nothing to do.
        status, out, _ = ended(project, target, seconds=300)
        assert status == 3
        assert "Every seed failed in training (2), such as results/tiny/runs/adaptive/1: The loss" in out
        assert "Traceback" not in out
    assert ended(project, "features")[0] == 0
    assert ended(project, "-n", "train")[0] == 0
