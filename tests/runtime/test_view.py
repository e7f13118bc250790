"""The view of a run, given records as Snakemake logs them."""

import logging
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from parley.runtime import view
from snakemake_logger_plugin_parley import LogHandler, LogHandlerSettings

QUIET = {Quietness.HOST, Quietness.REASON}
OPTIONS = {
    "printshellcmds": False, "nocolor": True, "quiet": QUIET, "debug_dag": False, "verbose": False,
    "show_failed_logs": True, "stdout": False, "dryrun": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_hook(monkeypatch):
    monkeypatch.setattr("sys.excepthook", None)


def made(full=False, **options):
    return LogHandler(SimpleNamespace(**{**OPTIONS, **options}), LogHandlerSettings(full=full))


def tell(handler, text="", level=logging.INFO, **values):
    handler.handle(logging.makeLogRecord({"msg": text, "levelno": level, "created": time.time(), **values}))


def begin(handler, **stats):
    tell(handler, "Provided cores: 2", event="resources_info", cores=2)
    tell(handler, "Job stats:", event="run_info", stats={**stats, "total": sum(stats.values())})


def start(handler, number, rule, log=(), output=("x",), message="", created=None):
    values = {"jobid": number, "rule_name": rule, "log": [str(one) for one in log], "output": list(output)}
    values |= {"wildcards": {"seed": number}, "rule_msg": message, "threads": 1}
    tell(handler, event="job_info", **values, **({"created": created} if created else {}))


def test_snakemake_finds_the_plugin_and_its_option():
    plugin = LoggerPluginRegistry().get_plugin("parley")
    assert [one["cliarg"] for one in plugin.get_settings_info()] == ["--logger-parley-full"]


def test_stage_line_shows_the_info_of_its_only_job(tmp_path, capsys):
    log, handler = tmp_path / "a.log", made()
    tell(handler, "Building DAG of jobs...")
    begin(handler, fetch_0000=1, fetch_0001=1, split=1, all=1)
    for number, rule in enumerate(("fetch_0000", "split", "fetch_0001")):
        start(handler, number, rule, [log])
        log.write_text("2026-11-26 06:06:42,121 INFO parley: 9 images\n2026-11-26 06:06:42,121 WARNING parley: few\n")
        tell(handler, event="job_finished", job_id=number)
    start(handler, 9, "all", output=(), message="Done: the report is x")
    tell(handler, event="job_finished", job_id=9)
    handler.close()
    lines = [re.sub(r" +", " ", line).strip() for line in capsys.readouterr().err.splitlines()]
    lines = [re.sub(r"[\d.]+ s\b", "T", line) for line in lines]
    assert lines == [
        "4 jobs in 3 stages (--logger-parley-full prints each job)",
        "fetch: few",
        "split: few",
        "50% split 1/1 T 9 images",
        "75% fetch 2/2 T",
        "Done: the report is x",
    ]


@pytest.mark.parametrize(
    "message",
    [
        "The run was interrupted at step 300 and continues from there.",
        "The run's settings, inputs or code changed since it was interrupted; it starts again.",
    ],
)
def test_a_resumed_training_is_announced_once(tmp_path, capsys, message):
    log, handler = tmp_path / "train.log", made()
    begin(handler, train_run=1)
    start(handler, 1, "train_run", [log])
    log.write_text(f"2026-11-26 06:06:42,121 INFO parley.training.resume: {message}\n")
    handler.view._read(handler.view._jobs[1])
    tell(handler, event="job_finished", job_id=1)
    handler.close()
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if "interrupted" in line] == [f"train_run 1: {message}"]


@pytest.mark.slow
def test_stage_time_excludes_idle_time(capsys):
    handler = made()
    begin(handler, select=2, train=1, all=1)
    for number, wait in ((1, 3.0), (2, 0.0)):
        start(handler, number, "select", ["x.log"])
        tell(handler, event="job_finished", job_id=number)
        time.sleep(wait)
    handler.close()
    [took] = re.findall(r"select +2/2 +([\d.]+) s", capsys.readouterr().err)
    assert float(took) < 2.5


def summary_of(shown):
    """The summary line without the time taken so far."""
    return re.sub(r" in [\d.]+ s", "", shown._summary())


def test_the_time_left_comes_from_the_log_and_from_the_jobs_that_are_done(tmp_path):
    log, handler = tmp_path / "train.log", made()
    begin(handler, train_run=4, evaluate_run=4, all=1)
    start(handler, 1, "train_run", [log], created=time.time() - 60)
    shown = handler.view
    assert summary_of(shown) == "0% done"
    log.write_text("2026-11-26 06:06:42,121 INFO p: train a/1: 300 of 1000 steps, 5.0 a second, 2 min left, dev 0.5\n")
    shown._read(shown._jobs[1])
    # 60 s for 3 tenths are 200 s a job: 140 + 3 x 200 on two cores; of evaluations nothing is known.
    assert summary_of(shown) == "3% done, more than 6 min left"
    assert shown._progress_of(shown._stages["train_run"]) == "train a/1, 300 of 1000 steps"
    with log.open("a") as stream:
        stream.write("2026-11-26 06:06:42,121 INFO p: test a/1: 900 of 1000 images, 5.0 a second, 2 min left\n")
    shown._read(shown._jobs[1])
    # What counts several things, one after the other, does not tell how long it will take.
    assert summary_of(shown) == "3% done"
    handler.close()


def test_download_then_unpacking_are_shown(tmp_path):
    log, handler = tmp_path / "list.log", made()
    begin(handler, list_archives=1)
    start(handler, 1, "list_archives", [log], created=time.time() - 60)
    for line, shown in (
        ("downloading a.tgz: 25% of 4.0 GB, 10.0 MB a second, 5 min left", "downloading a.tgz, 25% of 4.0 GB"),
        ("unpacking a.tgz: 1.0 GB, 100.0 MB a second", "unpacking a.tgz, 1.0 GB"),
        ("reading a.tgz: 300 files, 5.0 a second", "reading a.tgz, 300 files"),
    ):
        with log.open("a") as stream:
            stream.write(f"2026-11-26 06:06:42,121 INFO p: {line}\n")
        handler.view._read(handler.view._jobs[1])
        assert handler.view._progress_of(handler.view._stages["list_archives"]) == shown
        assert handler.view._percent() == 25
    handler.close()


def test_the_log_of_an_earlier_attempt_is_not_read(tmp_path):
    log, handler = tmp_path / "train.log", made()
    begin(handler, train_run=1)
    log.write_text("2026-11-26 06:06:42,121 INFO p: train: 300 of 1000 steps, 5.0 a second, 2 min left\n")
    start(handler, 1, "train_run", [log], created=time.time() + 60)
    handler.view._read(handler.view._jobs[1])
    assert handler.view._percent() == 0
    handler.close()


def test_long_stage_is_printed_periodically(monkeypatch, capsys):
    monkeypatch.setattr(view, "SECONDS_BETWEEN_LINES", 0.2)
    monkeypatch.setattr(view, "REDRAWN_EVERY_S", 0.05)
    handler = made()
    begin(handler, train_run=2)
    start(handler, 1, "train_run")
    began = time.monotonic()
    time.sleep(0.7)
    handler.close()
    most = (time.monotonic() - began) / 0.2
    assert 2 <= capsys.readouterr().err.count("running: train_run 0/2") <= most


@pytest.mark.parametrize("interrupted", [False, True])
def test_job_failure_is_printed_unless_interrupted(interrupted, capsys):
    handler = made()
    begin(handler, train_run=1)
    start(handler, 1, "train_run")
    handler.interrupted = interrupted
    tell(handler, "RuleException:\nCalledProcessError in x: died with <Signals.SIGKILL: 9>.", event="error")
    failed = {"jobid": 1, "rule_name": "train_run", "rule_msg": None}
    tell(handler, "Error in rule train_run", logging.ERROR, event="job_error", **failed)
    told = capsys.readouterr().err.splitlines()[1:]
    assert [line.partition(",")[0] for line in told] == ["train_run 1 failed: killed (SIGKILL)"] * (not interrupted)


def test_unknown_events_are_printed(capsys):
    handler = made()
    tell(handler, "Select jobs to execute...")
    tell(handler, "Nothing to be done (all requested files are present and up to date).")
    tell(handler, "WorkflowError:\nThe list is missing.", logging.ERROR, event="error")
    tell(handler, "WorkflowError:\nAt least one job did not complete successfully.", logging.ERROR, event="error")
    assert capsys.readouterr().err.splitlines() == [
        "Nothing to be done (all requested files are present and up to date).",
        "WorkflowError:",
        "The list is missing.",
    ]


@pytest.mark.parametrize(
    "options", [{"full": True}, {"verbose": True}, {"quiet": {Quietness.HOST}}, {"printshellcmds": True}], ids=str
)
def test_options_that_ask_for_more_show_snakemakes_own_log(options, capsys):
    handler = made(**options)
    tell(handler, "Select jobs to execute...")
    assert capsys.readouterr().err == "Select jobs to execute...\n"
    assert not handler.summarises


def test_quiet_prints_nothing(capsys):
    handler = made(quiet={Quietness.ALL})
    tell(handler, "Nothing to be done")
    assert capsys.readouterr().err == ""


def test_a_log_file_on_a_full_disk_is_reported_once(tmp_path, small_disk, capsys):
    made()
    small_disk.mount(tmp_path / "disk", 4096)
    handler = logging.FileHandler(tmp_path / "disk/snakemake.log")
    for _ in range(100):
        handler.handle(logging.makeLogRecord({"msg": "x" * 100}))
    assert capsys.readouterr().err == (
        f"{tmp_path}/disk/snakemake.log cannot be written (No space left on device); free disk space.\n"
    )
    small_disk.make_room(tmp_path / "disk")
    handler.close()


def test_another_ctrl_c_at_the_end_of_an_interrupted_run_prints_no_traceback():
    program = """
import atexit, os, signal, sys
from types import SimpleNamespace
from snakemake_logger_plugin_parley import LogHandler, LogHandlerSettings
options = dict.fromkeys(("verbose", "debug_dag", "printshellcmds", "nocolor", "stdout", "dryrun"))
LogHandler(SimpleNamespace(quiet=[], **options), LogHandlerSettings())
atexit.register(os.kill, os.getpid(), signal.SIGINT)
raise KeyboardInterrupt
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == "Interrupted while no job was running; run the same command again to continue.\n"
