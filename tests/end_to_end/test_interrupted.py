"""An experiment that is stopped by a signal while it trains resumes when it is run again."""

import os
import signal
import subprocess
import sys
import time

import pytest
from tiny_runs import TINY

pytestmark = pytest.mark.slow
LONGER = {**TINY, "training": {**TINY["training"], "steps": 200, "dev_every": 50}}


@pytest.fixture(scope="module")
def project(finished):
    return finished


def lines_of(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_training_resumes_after_sigterm(project):
    project.snakemake("--cores", "2", "train", config=project.write_config("undisturbed", **LONGER))
    config = project.write_config("stopped", **LONGER)
    runs = project.folder / "results/stopped/runs/adaptive"
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "train", "--configfile", str(config)]
    with subprocess.Popen(
        command,
        cwd=project.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        until = time.monotonic() + 300
        logs = [runs / f"{seed}/.unfinished/metrics.jsonl" for seed in (1, 2)]
        while min(map(lines_of, logs)) < 30 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGTERM)
        told, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "was asked to stop and is saved at step" in told
    assert "Traceback" not in told
    told = project.snakemake("--cores", "2", "train", config=config)
    assert told.count("and continues from there") >= 2
    for seed in ("1", "2"):
        undisturbed = project.folder / "results/undisturbed/runs/adaptive" / seed / "checkpoints"
        assert [path.read_bytes() for path in sorted((runs / seed / "checkpoints").iterdir())] == [
            path.read_bytes() for path in sorted(undisturbed.iterdir())
        ]
    assert not list(runs.rglob(".unfinished"))
