"""Terminal view of a run: one line for each stage, the share of jobs done, and the time left.

The logger plugin `parley` (`snakemake_logger_plugin_parley`), which profiles/default selects, passes Snakemake's log to
the view. On a terminal, the stages in progress are redrawn in place; elsewhere, a line is printed when a stage ends and
once a minute. Progress and warnings come from the logs of the running jobs, which do not write to the terminal.
"""

import logging
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness

from parley.core.formats import base_of, counted, duration
from parley.core.progress import in_words
from parley.core.terminal import console, literal
from parley.runtime.job_failures import FailureLog
from parley.runtime.job_progress import Job, Stage

if TYPE_CHECKING:
    from snakemake_logger_plugin_parley import LogHandler

SECONDS_BETWEEN_LINES = 60.0
"""Interval between lines about stages in progress if the output is not a terminal."""
REDRAWN_EVERY_S = 0.5
BAR_WIDTH = 20
OMITTED = re.compile(
    r"Building DAG|Select jobs|Execute \d+ jobs|Using shell|Provided |Rules claiming|Group jobs:|Assuming unrestricted"
    r"|(Conda environments|Singularity containers): ignored|Shutting down|Terminating processes|Elapsed time"
    r"|SLURM run ID|Job \S+ has been submitted|Get status with:|Job \S+ succeeded|Exiting because a job"
    r"|WorkflowError:\s+At least one job did not complete|\w+ local copy of storage file|Storing output in storage"
)
"""Beginnings of Snakemake's messages that the view replaces or omits. Snakemake's log file has all of them."""
ENDED = re.compile(r"RuleException:\s+CalledProcessError ")
"""Beginning of the message that a job's process ended with an error; the failure of the job follows."""


class View:
    """View of a run, or Snakemake's own output if the options ask for more or less.

    Parameters
    ----------
    plugin
        The handler through which Snakemake's log comes.
    """

    def __init__(self, plugin: "LogHandler") -> None:
        self._plugin, options = plugin, plugin.common_settings
        stream = sys.stdout if options.stdout else sys.stderr
        self._full = ColorizingTextHandler(
            options.nocolor,
            stream,
            DefaultFormatter(options.quiet, options.show_failed_logs),
            DefaultFilter(options.quiet, options.debug_dag, options.verbose, options.dryrun, options.printshellcmds),
        )
        self._console = console(stream, colour=not options.nocolor)
        self._redraws = self._console.is_terminal and not self._console.is_dumb_terminal
        self._stages: dict[str, Stage] = {}
        self._jobs: dict[int, Job] = {}
        self._failures = FailureLog()
        self._slots, self._local = 1, True
        self._began = self._last_line = time.time()
        self._ended = threading.Event()
        self._live: Live | None = None
        self._lock = threading.RLock()

    def show(self, record: logging.LogRecord) -> None:
        """Show the information in a record of Snakemake's log."""
        if not self._plugin.summarises:
            self._full.handle(record)
            return
        with self._lock:
            self._failures.emit(record)
            self._show(record, str(getattr(record, "event", None) or "message"), vars(record))

    def finish(self) -> None:
        """Show the stages that are not done as they are, and end the redrawing. Later messages are only printed."""
        with self._lock:
            if self._ended.is_set():
                return
            self._ended.set()
            if self._live is not None:
                self._live.stop()
            for stage in self._stages.values():
                if stage.began and stage.done < stage.total:
                    self._print_stage(stage)

    def _show(self, record: logging.LogRecord, event: str, values: dict[str, Any]) -> None:
        if event == "run_info":
            self._begin(record, values["stats"])
        elif event == "resources_info" and ("cores" in values or "nodes" in values):
            self._slots, self._local = values.get("cores") or values["nodes"], "cores" in values
        elif event == "job_info" and not self._plugin.common_settings.dryrun:
            self._start(values)
        elif event == "job_finished" and (job := self._jobs.pop(values["job_id"], None)):
            self._end(values["job_id"], job)
        elif event == "job_error" and (job := self._jobs.pop(values["jobid"], None)):
            job.stage.end(values["jobid"])
            if not self._plugin.interrupted:
                why = self._failures.why(values["jobid"], values["rule_name"], str(job.log or ""))
                self._print(f"{job.name} failed: {why}", "red")
        elif event in ("message", "error") and getattr(record, "quietness", None) != Quietness.HOST:
            self._pass_on(record, event)

    def _begin(self, record: logging.LogRecord, stats: dict[str, int]) -> None:
        if self._stages:  # A dry run gives the statistics twice.
            return
        for rule, count in stats.items():
            if rule != "total":
                stage = self._stages.setdefault(base_of(rule), Stage(base_of(rule), 0))
                stage.total += count
        if self._plugin.common_settings.dryrun:
            self._print(record.getMessage())
            return
        counts = f"{counted(stats['total'], 'job')} in {counted(len(self._stages), 'stage')}"
        self._print(f"{counts} (--logger-parley-full prints each job)")
        self._began = self._last_line = time.time()
        if self._redraws:
            self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")
            self._live.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _start(self, values: dict[str, Any]) -> None:
        rule, log = values["rule_name"], next(iter(values["log"]), None)
        stage = self._stages.setdefault(base_of(rule), Stage(base_of(rule), 1))
        name = " ".join([rule, *map(str, values["wildcards"].values())])
        message = "" if values["output"] else values["rule_msg"] or ""
        stage.threads = values["threads"] if self._local else 1
        job = Job(stage, name, Path(log) if log else None, message, values["created"], stage.threads)
        if not stage.running:
            stage.began = job.started
        self._jobs[values["jobid"]] = stage.running[values["jobid"]] = job

    def _end(self, number: int, job: Job) -> None:
        stage = job.stage
        self._read(job)
        for error in job.errors:  # The job continued, such as a training of several seeds of which one diverged.
            self._print(f"{job.name}: {error}", "red")
        stage.end(number)
        stage.done += 1
        stage.seconds += (time.time() - job.started) * job.threads
        stage.note = job.note if stage.total == 1 else ""
        if job.message:
            self._print(job.message)
        elif stage.done == stage.total and job.log is not None:
            self._print_stage(stage)

    def _pass_on(self, record: logging.LogRecord, event: str) -> None:
        text = record.getMessage()
        if text.startswith("Complete log(s): "):
            path = os.path.relpath(text.removeprefix("Complete log(s): "))
            done, total = self._count()
            took = duration(time.time() - self._began)
            self._print(
                f"{done} of {counted(total, 'job')} ({self._percent()}%) done in {took}. Snakemake's log: {path}"
            )
        elif text.startswith("This was a dry-run"):
            self._print("This was a dry run. For each job and its reason, add --quiet host")
        elif event == "error" and (ENDED.match(text) or self._plugin.interrupted):
            return
        elif not OMITTED.match(text) and text not in ("", "None"):
            style = {logging.WARNING: "yellow", logging.ERROR: "red"}.get(record.levelno, "")
            self._print(text.replace("\n    (check individual jobs above for details)", ""), style)

    def _watch(self) -> None:
        """Read the logs of the running jobs and show the progress until the run ends."""
        while not self._ended.wait(max(REDRAWN_EVERY_S, len(self._jobs) / 20)):
            with self._lock:
                if self._ended.is_set():
                    return
                for job in list(self._jobs.values()):
                    self._read(job)
                if self._live is not None:
                    self._live.update(self._drawn(), refresh=True)
                elif self._jobs and time.time() - self._last_line >= SECONDS_BETWEEN_LINES:
                    running = [
                        f"{stage.name} {stage.done}/{stage.total}" + (f" ({progress})" if progress else "")
                        for stage in self._stages.values()
                        if stage.running
                        for progress in [self._progress_of(stage)]
                    ]
                    self._print(f"{self._summary()}; running: {', '.join(running)}")

    def _read(self, job: Job) -> None:
        for warning in job.read_log():
            if warning not in job.stage.shown:
                job.stage.shown.add(warning)
                self._print(f"{job.stage.name}: {warning}", "yellow")
        if job.resumed:
            self._print(f"{job.name}: {job.resumed}")
            job.resumed = ""

    def _count(self) -> tuple[int, int]:
        return sum(stage.done for stage in self._stages.values()), sum(stage.total for stage in self._stages.values())

    def _percent(self) -> int:
        return int(100 * sum(stage.share for stage in self._stages.values()) / max(self._count()[1], 1))

    def _summary(self) -> str:
        """Return the share of jobs done, the time so far and the time left, as far as it is known."""
        now = time.time()
        left = [stage.seconds_left(now) for stage in self._stages.values()]
        at_once = sum((stage.total - stage.done) * stage.threads for stage in self._stages.values())
        known = sum(seconds for seconds in left if seconds) / max(min(self._slots, at_once), 1)
        line = f"{self._percent()}% done in {duration(now - self._began)}"
        if known < 1:
            return line
        # The last stage is the target, which takes no time.
        return f"{line}, {'more than' if None in left[:-1] else 'about'} {in_words(known)} left"

    def _progress_of(self, stage: Stage) -> str:
        """Return the progress of one of the stage's running jobs; empty if none has logged any."""
        return next((job.progress for job in stage.running.values() if job.progress), "")

    def _line(self, stage: Stage) -> tuple[str, str, str]:
        """Return a stage's jobs done, the time taken so far, and its note."""
        now = time.time() - stage.began if stage.running else 0.0
        took = duration(stage.took + now) if stage.began else ""
        return f"{stage.done}/{stage.total}", took, stage.note

    def _print_stage(self, stage: Stage) -> None:
        if self._redraws:
            self._console.print(self._grid([stage]), no_wrap=True, overflow="ellipsis", crop=True)
            return
        done, took, note = self._line(stage)
        width = max(map(len, self._stages))
        self._print(f"{self._percent():3d}%  {stage.name:<{width}}  {done:>7}  {took:>10}  {note}".rstrip())

    def _drawn(self) -> Table:
        """Return the stages in progress and, below them, the summary of all stages."""
        active = [stage for stage in self._stages.values() if stage.running or 0 < stage.done < stage.total]
        grid = self._grid(active[: max(self._console.height - 3, 1)])
        outer = Table.grid()
        outer.add_row(grid)
        done, total = self._count()
        outer.add_row(Text(f"{done} of {counted(total, 'job')}, {self._summary()}", no_wrap=True, overflow="ellipsis"))
        return outer

    def _grid(self, stages: list[Stage]) -> Table:
        grid = Table.grid(padding=(0, 1))
        for width, justify in ((max(map(len, self._stages)), "left"), (BAR_WIDTH, "left"), (7, "right"), (11, "right")):
            grid.add_column(width=width, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for stage in stages:
            done, took, note = self._line(stage)
            bar = ProgressBar(stage.total, stage.share, BAR_WIDTH, complete_style="green", finished_style="green")
            grid.add_row(literal(stage.name), bar, done, took, literal(note or self._progress_of(stage)))
        return grid

    def _print(self, text: str, style: str = "") -> None:
        self._last_line = time.time()
        self._console.print(literal(text, style), soft_wrap=True)
