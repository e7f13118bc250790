"""The recorded machine, packages, usage and commit agree with other sources."""

import json
import os
import platform
import re
import subprocess
import sys
import tomllib
from getpass import getuser
from importlib import metadata
from pathlib import Path

from parley.provenance import job
from parley.provenance.job import commit_of

ROOT = Path(__file__).parents[2]
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]


def git(folder, *words):
    done = subprocess.run([*GIT, "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_commit_shows_whether_the_code_was_edited(tmp_path):
    assert commit_of(tmp_path) == ""
    git(tmp_path, "init", "-q")
    assert commit_of(tmp_path) == ""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("A = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "a")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit_of(tmp_path) == head
    (tmp_path / "notes.txt").write_text("not code")
    assert commit_of(tmp_path) == head
    (tmp_path / "src/a.py").write_text("A = 2\n")
    assert commit_of(tmp_path) == f"{head}+dirty"
    git(tmp_path, "checkout", "-q", "src")
    (tmp_path / "src/new.py").write_text("")
    assert commit_of(tmp_path) == f"{head}+dirty"
    # A copy of Parley inside the repository of another project.
    assert commit_of(tmp_path / "src") == ""


def test_every_dependency_is_listed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.match(r"[a-z0-9-]+", line)[0] for line in project["dependencies"]}
    assert {job.DISTRIBUTIONS.get(name, name) for name in job.MODULES} == wanted


def test_only_imported_packages_are_recorded():
    code = "import yaml, json; from parley.provenance.job import packages; print(json.dumps(packages()))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert json.loads(out) == {"python": platform.python_version(), "pyyaml": metadata.version("pyyaml")}


def test_usage_measures_time_and_memory():
    code = """
import subprocess, sys, time
from parley.provenance.job import usage
before = usage()
block = bytearray(200 << 20)
time.sleep(0.3)
end = time.process_time() + 0.3
while time.process_time() < end: pass
print(before, usage(), sep="\\n")
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    before, after = map(eval, out.splitlines())
    assert after["wall_s"] - before["wall_s"] >= 0.55
    assert 0.28 <= after["cpu_s"] - before["cpu_s"] < 1
    assert 195 <= after["memory_mib"] - before["memory_mib"] < 260
    assert before["memory_mib"] < 100


def test_the_machine_is_recorded_without_names():
    found = job.machine()
    assert found["cores"] == os.cpu_count()
    assert found["cpu"]
    text = json.dumps(found)
    assert platform.node() not in text
    assert not re.search(rf"\b{re.escape(getuser())}\b", text)


def test_without_torch_the_device_is_the_processor():
    assert job.device() == "cpu"
