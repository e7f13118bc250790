"""Trainings that are killed, stopped and resumed."""

import json
import signal
import subprocess
import time
from pathlib import Path

from fork_server import preloaded_python

from parley.training.resume import FOLDER

SCRIPT = Path(__file__).with_name("easy_runs.py")


def interrupted_and_resumed(folder, option):
    """Kill a run in training, stop it later, and let it finish; return its log."""
    command = [preloaded_python(), str(SCRIPT), str(folder), "400", option]
    log = folder / FOLDER / "metrics.jsonl"
    for sent in (signal.SIGKILL, signal.SIGTERM):
        before = len(log.read_text().splitlines()) if log.exists() else 0
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while not log.exists() or log.read_bytes().count(b"\n") < before + 40:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
        process.send_signal(sent)
        process.wait(timeout=60)
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 400
    return rows
