"""What Ctrl-C does while Snakemake runs jobs: running jobs are terminated, and a training saves itself."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
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
        scheduler = workflow.scheduler
        self._workflow, self._local, self._starting = workflow, local, False
        self._start_jobs, self._cancel_on_cluster = scheduler.run, scheduler._executor.cancel
        self._on_cluster = scheduler._executor is not local
        scheduler.run, scheduler._executor.cancel = self._start, self._cancel

    def interrupt(self, *_: Any) -> None:
        """Handle SIGINT."""
        again = interrupted.is_set()
        interrupted.set()
        for plugin in view_plugins(self._workflow):
            plugin.interrupted = True
        if again:
            _signal_jobs(psutil.Process.kill, set())
        elif not self._starting:
            raise KeyboardInterrupt  # The scheduler then calls `_cancel`.

    def _start(self, *jobs: Any, **options: Any) -> None:
        """Start jobs, and raise afterwards: an exception in the middle would leave a thread that is never joined."""
        self._starting = True
        try:
            self._start_jobs(*jobs, **options)
        finally:
            self._starting = False
        if interrupted.is_set():
            raise KeyboardInterrupt

    def _cancel(self) -> None:
        if self._on_cluster:
            self._cancel_on_cluster()
        with _terminating_jobs():
            self._local.shutdown()


@contextmanager
def _terminating_jobs() -> Iterator[None]:
    """Terminate each process of a job once; during the `with` block, also those that were about to start."""
    over = threading.Event()

    def terminate() -> None:
        terminated: set[psutil.Process] = set()
        _signal_jobs(psutil.Process.terminate, terminated)
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
    """Send a signal to the processes below this one that are not in `done`, and add them.

    Shells get none: a shell ends with its job.
    """
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process not in done and process.name() != "bash":
                send(process)
                done.add(process)
