"""Ctrl-C while Snakemake runs jobs: terminate them, so that trainings save themselves, and wait for them."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import psutil
from snakemake.executors.local import Executor as LocalExecutor

from parley.runtime.snakemake_patches import Workflow
from snakemake_logger_plugin_parley import LogHandler

interrupted = threading.Event()
"""Set by the first Ctrl-C."""
_SECONDS_BETWEEN_LOOKS = 0.1


def view_plugins(workflow: Workflow) -> list[LogHandler]:
    """Return the plugin that prints the run's progress, in a list; an empty list if it is not used."""
    return [handler for handler in workflow.logger_manager.plugin_handlers if isinstance(handler, LogHandler)]


def terminate_jobs_on_ctrl_c(workflow: Workflow) -> None:
    """Make Ctrl-C terminate all jobs with SIGTERM, upon which a training saves itself; a second Ctrl-C kills them.

    A terminal sends SIGINT to all processes, and a job may get it anywhere, such as in an import. The threads that
    start the jobs therefore block SIGINT, which the jobs inherit.
    """
    in_main = threading.current_thread() is threading.main_thread()  # Only the main thread can set signal handlers.
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # Or it is ignored.
        return
    local = workflow.scheduler._local_executor or workflow.scheduler._executor
    if not isinstance(local, LocalExecutor):  # With --touch, nothing is run.
        return
    blocked = (signal.SIG_BLOCK, {signal.SIGINT})
    local.pool = ThreadPoolExecutor(local.workers, initializer=signal.pthread_sigmask, initargs=blocked)
    signal.signal(signal.SIGINT, _Interrupts(workflow, local).interrupt)


class _Interrupts:
    """Replaces the scheduler's methods that start and cancel jobs."""

    def __init__(self, workflow: Workflow, local: LocalExecutor) -> None:
        self._workflow, self._local, self._executor = workflow, local, workflow.scheduler._executor
        self._start_jobs, self._cancel_jobs = workflow.scheduler.run, self._executor.cancel
        self._starting, self._terminated = False, set[psutil.Process]()
        workflow.scheduler.run, self._executor.cancel = self._start, self._cancel

    def interrupt(self, *_: Any) -> None:
        """Handle SIGINT."""
        again = interrupted.is_set()
        interrupted.set()
        for plugin in view_plugins(self._workflow):
            plugin.interrupted = True
        if again:
            _signal_jobs(psutil.Process.kill, set())
            return
        _signal_jobs(psutil.Process.terminate, self._terminated)
        if not self._starting:
            raise KeyboardInterrupt  # The scheduler then calls `_cancel`.

    def _start(self, jobs: Any, executor: Any = None) -> None:
        """Start jobs. Ctrl-C takes effect afterwards: in between, the thread of a local job might never be joined."""
        self._starting = (executor or self._executor) is self._local
        try:
            self._start_jobs(jobs, executor)
        finally:
            self._starting = False
        if interrupted.is_set():
            raise KeyboardInterrupt

    def _cancel(self) -> None:
        """Cancel all jobs and wait for the local ones; after Ctrl-C, terminate also those that were about to start."""
        try:
            if self._executor is not self._local:
                self._cancel_jobs()
        finally:
            with _terminating_jobs(self._terminated) if interrupted.is_set() else nullcontext():
                self._local.shutdown()


@contextmanager
def _terminating_jobs(terminated: set[psutil.Process]) -> Iterator[None]:
    """During the `with` block, terminate each process of a job that is not in `terminated`, and add it."""
    over = threading.Event()

    def terminate() -> None:
        while not over.wait(_SECONDS_BETWEEN_LOOKS):
            _signal_jobs(psutil.Process.terminate, terminated)

    thread = threading.Thread(target=terminate)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _signal_jobs(send: Callable[[psutil.Process], None], done: set[psutil.Process]) -> None:
    """Send a signal to each descendant of this process that is not in `done`, except shells; add it to `done`."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # It has ended, or belongs to another user.
            if process not in done and process.name() != "bash":  # A shell ends with its job.
                send(process)
                done.add(process)
