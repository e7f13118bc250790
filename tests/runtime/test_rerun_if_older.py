"""A job runs again if its output is older than optional files, and waits for those that the same call makes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SNAKEFILE = """
from parley.runtime import snakemake_patches
rule all:
    input: "list.txt"
rule extra:
    input: "extra.txt"
rule base:
    output: "base.txt"
    shell: "echo 1 > base.txt"
rule make_extra:
    output: "extra.txt"
    shell: "sleep 1; echo 1 > extra.txt"
rule list:
    input: "base.txt"
    output: "list.txt"
    priority: -1
    threads: workflow.cores or 1
    shell: "ls *.txt > list.txt"
snakemake_patches.name_groups(workflow)
existing = lambda: [one for one in ["extra.txt"] if Path(one).exists()]
snakemake_patches.rerun_if_older(workflow, rules.list.rule, existing)
"""


@pytest.fixture
def call(tmp_path):
    (tmp_path / "Snakefile").write_text("from pathlib import Path\n" + SNAKEFILE)

    def snakemake(*arguments):
        command = [sys.executable, Path(__file__).parents[1] / "plain_snakemake.py", "--cores", "2", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return snakemake


@pytest.mark.slow
def test_one_call_makes_both(call, tmp_path):
    call("all", "extra")
    assert "extra.txt" in (tmp_path / "list.txt").read_text()
    assert "Nothing to be done" in call("-n", "all")


@pytest.mark.slow
def test_files_made_later_are_listed_by_the_next_call(call, tmp_path):
    call("all")
    assert "extra.txt" not in (tmp_path / "list.txt").read_text()
    call("extra")
    assert "rule list:" in call("-n", "all")
    assert "rule list:" not in call("-n", "extra")
    call("all")
    assert "extra.txt" in (tmp_path / "list.txt").read_text()
    assert "Nothing to be done" in call("-n", "all")
    future = time.time() + 86400
    os.utime(tmp_path / "extra.txt", (future, future))
    assert "Nothing to be done" in call("-n", "all")
