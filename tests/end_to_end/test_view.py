"""What a person sees of a run: a line a stage, what Ctrl-C leaves, and why a job was killed."""

import re
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
from terminals import interrupted, seen
from tiny_runs import TINY

pytestmark = pytest.mark.slow
LONGEST_S = 60
"""Without Ctrl-C, the jobs would run for hours."""
SAVED = re.compile(r"train_run adaptive (\d) is saved at step (\d+) of 100000\.")


@pytest.fixture(scope="module")
def project(finished):
    return finished


@pytest.fixture(scope="module")
def config(project):
    """An experiment that trains for hours, and whose features are there."""
    training = {**TINY["training"], "steps": 100_000, "dev_every": 1000}
    config = project.write_config("long", **{**TINY, "training": training})
    project.snakemake("--cores", "2", "features", "words", config=config)
    return config


def command(config, *arguments, cores="2"):
    return [sys.executable, "-m", "snakemake", "--cores", cores, *arguments, "--configfile", str(config)]


def run(project, config, *arguments, cores="2"):
    done = subprocess.run(
        command(config, *arguments, cores=cores),
        cwd=project.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
    )
    return done.stdout, done.returncode


def jobs_of(rule, folder):
    """Processes that run a rule's script for the project in this folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if str(folder) in words and words.endswith(f".{rule}.py"):
                found.append(process)
    return found


def test_a_run_prints_a_line_a_stage_and_its_log_all(project, config):
    told, status = run(project, config, "features", "--forcerun", "settle")
    assert status == 0
    lines = told.splitlines()
    assert len(lines) < 10, told
    assert re.search(r"^ 83%  gather_features +4/4 ", told, re.MULTILINE)
    assert re.search(r"^ *\d+%  settle +1/1 .* 46 images in 6 classes; 0 duplicates dropped$", told, re.MULTILINE)
    assert "Finished jobid" not in told
    log = lines[-1].partition("Snakemake's log: ")[2]
    assert (project.folder / log).read_text().count("Finished jobid: ") == 6
    told, _ = run(project, config, "features", "--forcerun", "settle", "--logger-parley-full")
    assert told.count("Finished jobid: ") == 6
    assert "settle: 46 images in 6 classes" in told


def test_a_dry_run_has_counts_and_reasons(project, config):
    told, _ = run(project, config, "features", "--forcerun", "settle", "-n")
    assert len(re.findall(r"^gather_features +4$", told, re.MULTILINE)) == 1
    assert "forced:\n        settle" in told
    assert "Gathering" not in told
    told, _ = run(project, config, "features", "--forcerun", "settle", "-n", "--quiet", "host")
    assert "Gathering the features of the train split" in told


def test_on_a_terminal_it_is_drawn_in_place_and_each_stage_stays_once(project, config):
    told, statuses = seen(command(config, "features", "--forcerun", "settle"), cwd=project.folder, columns=120)
    assert statuses == [0]
    assert "\x1b[?25l" in told
    shown = told.split("\x1b[?25h")[0]
    assert "settle" in shown
    assert "46 images in 6 classes" in told
    assert "6 of 6 jobs (100%) done in" in told


def test_ctrl_c_saves_the_trainings_and_says_so(project, config):
    logs = [project.folder / f"results/long/runs/adaptive/{seed}/.unfinished/metrics.jsonl" for seed in (1, 2)]

    def trains():
        return all(log.exists() and log.read_text().count("\n") > 3 for log in logs)

    told, status, seconds = interrupted(command(config, "train"), trains, project.folder)
    assert "Traceback" not in told
    assert "Error" not in told
    assert status == 1
    assert seconds < LONGEST_S
    assert told.count("Interrupted. Finished files are kept; run the same command again to continue.") == 1
    saved = dict(SAVED.findall(told))
    assert set(saved) == {"1", "2"}
    assert not jobs_of("train_run", project.folder)

    resumed = []

    def goes_on():
        logs = {seed: project.folder / f"results/long/logs/train_run/adaptive-{seed}.log" for seed in saved}
        if not resumed and all(
            log.exists() and f"step {saved[seed]} and" in log.read_text() for seed, log in logs.items()
        ):
            resumed.append(time.monotonic())
        return resumed and time.monotonic() - resumed[0] > 3  # The view reads the logs twice a second.

    again, _, _ = interrupted(command(config, "train"), goes_on, project.folder)
    assert "Interrupted." in again
    for seed, step in saved.items():
        assert f"adaptive {seed}: The run was interrupted at step {step} and continues from there." in again


@pytest.mark.parametrize("delay", [0.0, 1.5])
@pytest.mark.parametrize("rule", ["train_run", "extract_features"])
def test_ctrl_c_while_a_job_starts_is_a_sentence(project, config, rule, delay):
    """Without a delay the script's first line is not reached; after it, the script may be importing torch."""
    began = []

    def starts():
        if not began and jobs_of(rule, project.folder):
            began.append(time.monotonic())
        return began and time.monotonic() - began[0] >= delay

    again = [] if rule == "train_run" else ["--forcerun", rule]
    told, status, seconds = interrupted(command(config, "train", *again), starts, project.folder)
    assert "Traceback" not in told
    assert "KeyboardInterrupt" not in told
    assert told.count("Interrupted. Finished files are kept") == 1
    assert status == 1
    assert seconds < LONGEST_S
    assert not jobs_of(rule, project.folder)


def test_a_killed_job_is_reported_as_killed(project, config):
    with subprocess.Popen(
        command(config, "train", cores="1"),
        cwd=project.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        until = time.monotonic() + 300
        while not (jobs := jobs_of("train_run", project.folder)) and time.monotonic() < until:
            time.sleep(0.05)
        jobs[0].kill()
        told, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    why = "killed (SIGKILL), most often because memory ran out; free memory, or run fewer jobs at once with a smaller"
    job = re.search(r"^train_run adaptive (\d) failed: (.*) --cores\.$", told, re.MULTILINE)
    assert job[2] == why
    listed = (
        f"1 job failed:\n  train_run adaptive {job[1]}: {why} --cores.\n"
        f"    results/long/logs/train_run/adaptive-{job[1]}.log\n"
        "Finished files are kept; run the same command again to continue.\n"
    )
    assert listed in told
    assert "Traceback" not in told


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_with_closed_output_ends_as_usual(project, fails):
    """As after `| head -1`, or when a connection is lost under nohup."""
    descriptions = project.folder / "results/tiny/descriptions.csv"
    given = descriptions.read_bytes()
    try:
        descriptions.write_bytes(given + b" " * fails)  # Damaged, which the job tells.
        run = command("tiny.yaml", "words", "--forcerun", "embed_words")
        process = subprocess.Popen(run, cwd=project.folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        process.stderr.readline()
        process.stderr.close()
        try:
            assert process.wait(120) == fails
        finally:
            process.kill()
    finally:
        descriptions.write_bytes(given)
