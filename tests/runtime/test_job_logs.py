"""The summary of failed jobs, and the reasons for their failure."""

import logging
import os
import subprocess
import time
from pathlib import Path

import pytest

from parley.runtime.job_failures import (
    MOST_LISTED,
    FailedJob,
    FailureLog,
    failure_lines,
    interruption_lines,
    last_error,
)

LOG = """2026-11-26 06:06:42,121 INFO parley.training.loop: the run goes on
2026-11-26 06:06:42,122 ERROR parley: The train split has 24 images: raise [red]split[/].
Traceback (most recent call last):
2026-11-26 06:06:43,121 WARNING parley: something else
"""
ERROR = "The train split has 24 images: raise [red]split[/]."


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "train.log"
    path.write_text(LOG)
    return str(path)


def reported(message, started=0.0, event="error"):
    """What Snakemake logs of a job 5 that starts, and ends by an exception."""
    failures = FailureLog()

    def tell(event, text="", **values):
        record = logging.makeLogRecord({"msg": text, "event": event, "created": started, "thread": 7, **values})
        failures.emit(record)

    tell("job_info", jobid=5)
    if message is not None:
        tell("error", message)
    tell("job_error", jobid=5, rule_msg="SLURM status is: 'OUT_OF_MEMORY'." if message is None else None)
    return failures


def test_the_last_error_of_a_log(log, tmp_path):
    assert last_error(log) == ERROR
    assert last_error(tmp_path / "none.log") is None
    (tmp_path / "other.log").write_text("anything\nat all: ERROR\n")
    assert last_error(tmp_path / "other.log") is None


EXCEPTION = 'RuleException:\nCalledProcessError in file "training.smk", line 10:\n'
KILLED = (
    "killed (SIGKILL), most often because memory ran out; "
    "free memory, or run fewer jobs at once with a smaller --cores."
)


@pytest.mark.parametrize(
    ("job", "why"),
    [
        ("exit 1", ERROR),
        ("kill -KILL $$", KILLED),
        ("sh -c 'kill -KILL $$'; exit $?", KILLED),
        ("kill -SEGV $$", f"{ERROR} Then it was ended by the signal SIGSEGV."),
        ("sh -c 'kill -TERM $$'; exit $?", f"{ERROR} Then it was ended by the signal SIGTERM."),
    ],
)
def test_failure_reason_by_exit_status_or_signal(log, job, why):
    with pytest.raises(subprocess.CalledProcessError) as ended:
        subprocess.run(["bash", "-c", f"ulimit -c 0; {job}"], check=True, stderr=subprocess.DEVNULL)
    assert reported(f"{EXCEPTION}{ended.value}\n  File").why(5, "train_run", log) == why


def test_signal_is_the_reason_if_the_log_has_no_error(tmp_path):
    message = EXCEPTION + "Command 'python x.py' died with <Signals.SIGSEGV: 11>."
    assert reported(message).why(5, "train_run", str(tmp_path / "none.log")) == "ended by the signal SIGSEGV."


def test_the_log_of_an_earlier_attempt_does_not_count(log):
    os.utime(log, (time.time() - 60, time.time() - 60))
    failures = reported(EXCEPTION + "Command 'python x.py' returned non-zero exit status 1.", started=time.time())
    assert "exit status 1 without an error in its log" in failures.why(5, "train_run", log)
    assert failures.error_of(5, log) is None


def test_all_errors_of_a_log_are_listed_up_to_a_limit(tmp_path):
    lines = [f"2026-11-26 06:06:42,122 ERROR parley: Class {number} is absent.\n" for number in range(9)]
    for number in (2, 9):
        (tmp_path / "a.log").write_text("".join(lines[:number]))
        why = reported("ended").why(5, "select_classes", str(tmp_path / "a.log"))
        shown = [0, 1] if number == 2 else [0, 1, 2, 3, 4, 8]
        listed = [f"Class {one} is absent." for one in shown]
        if number == 9:
            listed.append("and 3 more in the log")
        assert why.split("\n    ") == listed


def test_failure_reason_falls_back_to_snakemake():
    assert reported(None).why(5, "train_run", "") == "SLURM status is: 'OUT_OF_MEMORY'."
    missing = "MissingOutputException in rule split in file x.smk, line 3:\nJob 6 ended,\nbut plan.tsv is missing"
    failures = FailureLog()
    failures.emit(logging.makeLogRecord({"msg": missing, "event": "error"}))
    assert failures.why(6, "split", "").endswith("Job 6 ended, but plan.tsv is missing")
    assert ".snakemake/log" in failures.why(6, "settle", "")


def test_failed_jobs_are_listed_with_reason_and_log(log):
    jobs = [FailedJob("train_run adaptive 1", log, ERROR), FailedJob("split", "", "ended by the signal SIGSEGV.")]
    assert failure_lines(jobs) == [
        "2 jobs failed:",
        f"  train_run adaptive 1: {ERROR}",
        f"    {log}",
        "  split: ended by the signal SIGSEGV.",
        "Finished files are kept; run the same command again to continue.",
    ]
    assert failure_lines([]) == []


@pytest.mark.parametrize(
    ("why", "added"),
    [
        ("Run `uv run snakemake --cores 1 urls`.", ["To these commands, add `--configfile my.yaml 'one more.yaml'`."]),
        ("There is no disk.", []),
    ],
)
def test_failure_hint_has_the_configfiles(why, added, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configs = [tmp_path / "my.yaml", tmp_path / "one more.yaml"]
    assert failure_lines([FailedJob("split", "", why)], configs)[2:-1] == added
    assert failure_lines([FailedJob("split", "", why)])[2:-1] == []


@pytest.mark.parametrize(
    ("why", "added"),
    [
        (
            "Run `uv run snakemake --cores 1 urls`.",
            "To these commands, add `--directory '/a b' --configfile /c/my.yaml`.",
        ),
        ("Remove resources/x and run again.", ""),
    ],
)
def test_paths_and_commands_name_the_folder_of_the_run(why, added):
    lines = failure_lines([FailedJob("split", "", why)], [Path("/c/my.yaml")], "/a b")
    assert lines[2:-1] == ["Paths are relative to /a b, the run's --directory.", *[added] * bool(added)]


def test_many_failed_jobs_are_counted(log):
    lines = failure_lines([FailedJob(str(number), log, ERROR) for number in range(MOST_LISTED + 3)])
    assert lines[0] == "13 jobs failed:"
    assert "  and 3 more" in lines
    assert len(lines) == 1 + 2 * MOST_LISTED + 2


def test_after_an_interruption_saved_jobs_are_listed():
    why = "Training of seed 1 was asked to stop and is saved at step 6 of 10; run the same command again."
    assert interruption_lines([FailedJob("train_run adaptive 1", "x", why), FailedJob("split", "y", "")]) == [
        "Interrupted. Finished files are kept; run the same command again to continue.",
        "  train_run adaptive 1 is saved at step 6 of 10.",
    ]
