"""Ctrl-C at the worst moments of the start of jobs, in real runs of Snakemake."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

pytestmark = pytest.mark.slow
SNAKEFILE = """
from parley.runtime.interrupts import terminate_jobs_on_ctrl_c
{patch}
onstart:
{at_start}
    terminate_jobs_on_ctrl_c(workflow)
rule all:
    input: "a", "b"
localrules: job
rule job:
    output: "{{name}}"
    shell: "{shell}"
"""
PRESS_WHILE_A_THREAD_STARTS = """
import os, signal, threading
start = threading.Thread.start
def start_and_press(thread):
    start(thread)
    if "ThreadPoolExecutor" in thread.name and workflow.scheduler.running:
        threading.Thread.start = start
        os.kill(os.getpid(), signal.SIGINT)
threading.Thread.start = start_and_press
"""


CLUSTER = """
    class Cluster:
        def cancel(self):
            raise WorkflowError("scancel failed")
        def shutdown(self):
            pass
        handle_job_success = handle_job_error = lambda self, job: None
    scheduler = workflow.scheduler
    scheduler._local_executor, scheduler._executor = scheduler._executor, Cluster()
"""


def run(folder, shell, patch="", at_start=""):
    (folder / "Snakefile").write_text(SNAKEFILE.format(shell=shell, patch=patch, at_start=at_start))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nolock"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def ended(process):
    """Return what the run wrote; kill it, and fail, if it goes on."""
    late = threading.Timer(60, lambda: [one.kill() for one in (*psutil.Process(process.pid).children(True), process)])
    late.start()
    told = process.communicate()[1]
    was_late = not late.is_alive()
    late.cancel()
    assert not was_late, told
    return told


def test_ctrl_c_while_a_jobs_thread_starts(tmp_path):
    told = ended(process := run(tmp_path, "sleep 1000", PRESS_WHILE_A_THREAD_STARTS))
    assert "Traceback" not in told
    assert process.returncode == 1
    assert "Terminating processes on user request" in told


def press_when_both_jobs_run(process, folder):
    """Press Ctrl-C after both jobs have written a file; return the processes of the jobs."""
    until = time.monotonic() + 60
    while not all((folder / f"{name}.began").exists() for name in "ab") and time.monotonic() < until:
        time.sleep(0.05)
    jobs = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGINT)
    return jobs


def test_a_process_that_a_job_starts_after_ctrl_c_is_terminated(tmp_path):
    process = run(tmp_path, "touch {output}.began; sleep 1000 || sleep 1000")
    jobs = press_when_both_jobs_run(process, tmp_path)
    assert "Traceback" not in ended(process)
    assert process.returncode == 1
    assert not [job for job in jobs if job.is_running()]


def test_a_second_ctrl_c_kills_jobs_that_do_not_end(tmp_path):
    process = run(tmp_path, "trap '' TERM; touch {output}.began; exec env sleep 1000")
    jobs = press_when_both_jobs_run(process, tmp_path)
    time.sleep(1)
    assert len([job for job in jobs if job.is_running()]) >= 2
    os.kill(process.pid, signal.SIGINT)
    assert "Traceback" not in ended(process)
    assert process.returncode == 1
    assert not [job for job in jobs if job.is_running()]


def test_local_jobs_are_terminated_if_those_on_a_cluster_cannot_be_cancelled(tmp_path):
    process = run(tmp_path, "touch {output}.began; sleep 1000", at_start=CLUSTER)
    jobs = press_when_both_jobs_run(process, tmp_path)
    assert "scancel failed" in ended(process)
    assert process.returncode == 1
    assert not [job for job in jobs if job.is_running()]
