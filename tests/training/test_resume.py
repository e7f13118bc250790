"""Interrupted runs resume and give the same results as without the interruption."""

import logging
import random
import signal
import subprocess
import time
from functools import cache
from pathlib import Path

import pytest
import torch
from easy_runs import left_by, run
from fork_server import preloaded_python

from parley.core.errors import ParleyError
from parley.training.checkpoint import read_values
from parley.training.resume import FOLDER, ResumableRuns

SCRIPT = Path(__file__).parents[1] / "easy_runs.py"


def start(folder, steps, seeds=""):
    return subprocess.Popen(
        [preloaded_python(), str(SCRIPT), str(folder), str(steps), *([seeds] if seeds else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(folder, steps, seeds=""):
    """Train to the end, from where the run was interrupted; return what it leaves."""
    process = start(folder, steps, seeds)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    return [left_by(run) for run in runs_of(folder, seeds)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run leaves that nothing interrupts, by its steps and seeds."""

    @cache
    def left(steps, seeds):
        return finished(tmp_path_factory.mktemp("undisturbed") / "run", steps, seeds)

    return left


def runs_of(folder, seeds):
    """The folder of each run; the state of all is saved in the first."""
    return [folder / seed for seed in seeds.split(",")] if seeds else [folder]


# One run alone, and several that share a process.
together = pytest.mark.parametrize("seeds", ["", "1,2,3"])


def log_of(folder):
    path = folder / FOLDER / "metrics.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def wait_for_lines(folder, more, process):
    """Wait until the run has logged `more` new lines; return whether it still runs."""
    before, until = len(log_of(folder)), time.monotonic() + 300
    while process.poll() is None and time.monotonic() < until:
        if len(log_of(folder)) >= before + more:
            return True
        time.sleep(0.002)
    return False


@pytest.mark.slow
@together
def test_runs_killed_at_random_times_give_the_same_bytes(tmp_path, undisturbed, seeds):
    steps, chance = 400, random.Random(5)
    expected = undisturbed(steps, seeds)
    folder, kills = tmp_path / "killed", 0
    runs = runs_of(folder, seeds)
    while not (runs[0] / "metrics.jsonl").exists():
        process = start(folder, steps, seeds)
        if wait_for_lines(runs[0], chance.randrange(20, 160), process):
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
            kills += 1
        process.communicate(timeout=300)
        assert kills < 60
    assert kills >= 3
    assert [left_by(run) for run in runs] == expected
    assert not list(folder.rglob(FOLDER))


@pytest.mark.slow
@together
def test_four_epochs_equal_two_and_two(tmp_path, undisturbed, seeds):
    """48 images in batches of 16: an epoch is 3 steps."""
    expected = undisturbed(12, seeds)
    folder = tmp_path / "halved"
    first = runs_of(folder, seeds)[0]
    process = start(folder, 12, seeds)
    # Six steps log an evaluation at the fourth, and lines of the fifth and the sixth.
    wait_for_lines(first, 7, process)
    process.kill()
    process.communicate(timeout=300)
    assert finished(folder, 12, seeds) == expected


@pytest.mark.slow
@together
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT], ids=lambda sent: sent.name)
def test_a_signal_saves_the_runs_and_ends_with_a_message(tmp_path, undisturbed, seeds, sent):
    expected = undisturbed(200, seeds)
    folder = tmp_path / "stopped"
    first = runs_of(folder, seeds)[0]
    process = start(folder, 200, seeds)
    assert wait_for_lines(first, 30, process)
    process.send_signal(sent)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 1
    assert f"Training of seed {seeds.replace(',', ', ') or 1} was asked to stop and is saved at step" in told
    assert "Traceback" not in told
    step = read_values(first / FOLDER / "last.pt")["runs"][0]["step"]
    assert f"saved at step {step} of 200" in told
    assert finished(folder, 200, seeds) == expected


def interrupted(folder, monkeypatch, **options):
    """Leave a run like a process that dies before it moves the run's files."""

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("parley.training.resume.ResumableRuns.finish", die)
        with pytest.raises(KeyboardInterrupt):
            run(folder, **options)
    assert not (folder / "metrics.jsonl").exists()


def test_with_changed_settings_inputs_or_code_a_run_starts_again(tmp_path, monkeypatch, caplog):
    run(tmp_path / "undisturbed", seed=2)
    interrupted(tmp_path / "run", monkeypatch, seed=1, identity="one")
    with caplog.at_level(logging.INFO):
        run(tmp_path / "run", seed=2, identity="other")
    assert "it starts again" in caplog.text
    assert left_by(tmp_path / "run") == left_by(tmp_path / "undisturbed")


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "flipped", "checkpoint gone"])
def test_a_run_with_damaged_state_starts_again_which_is_logged(tmp_path, monkeypatch, caplog, damage):
    run(tmp_path / "undisturbed")
    interrupted(tmp_path / "run", monkeypatch)
    last = tmp_path / "run" / FOLDER / "last.pt"
    if damage == "checkpoint gone":
        next((tmp_path / "run" / FOLDER / "checkpoints").iterdir()).unlink()
    elif damage == "flipped":
        content = bytearray(last.read_bytes())
        content[len(content) // 2] ^= 1
        last.write_bytes(content)
    elif damage == "foreign":
        torch.save({"format": 1}, last)
    else:
        last.write_bytes(last.read_bytes()[:1000] if damage == "cut" else b"")
    with caplog.at_level(logging.INFO):
        run(tmp_path / "run")
    assert "starts again" in caplog.text
    assert left_by(tmp_path / "run") == left_by(tmp_path / "undisturbed")


def test_a_run_killed_while_its_files_move_starts_again(tmp_path, monkeypatch, caplog):
    run(tmp_path / "undisturbed", first_checkpoint=12)
    save = ResumableRuns.save

    def save_and_die(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("parley.training.resume.ResumableRuns.save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "run", first_checkpoint=12)
    # No checkpoint exists yet; the folder for them has been moved, the other files have not.
    (tmp_path / "run" / FOLDER / "checkpoints").rename(tmp_path / "run" / "checkpoints")
    with caplog.at_level(logging.INFO):
        run(tmp_path / "run", first_checkpoint=12)
    assert "starts again" in caplog.text
    assert left_by(tmp_path / "run") == left_by(tmp_path / "undisturbed")


def test_a_full_disk_is_an_error_and_the_run_resumes_once_there_is_space(tmp_path, small_disk):
    run(tmp_path / "undisturbed")
    small_disk.mount(tmp_path / "disk", 3_000_000)
    with pytest.raises(ParleyError, match=r"cannot be written \(No space left on device\)"):
        run(tmp_path / "disk" / "run")
    small_disk.make_room(tmp_path / "disk")
    run(tmp_path / "disk" / "run")
    assert left_by(tmp_path / "disk" / "run") == left_by(tmp_path / "undisturbed")
