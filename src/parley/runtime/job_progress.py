"""Progress of the jobs of a run, from their logs."""

import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from parley.runtime.job_failures import LOG_LINE

_PROGRESS = re.compile(
    r"(?P<what>.+?): (?P<amount>(?P<done>\d+) of (?P<total>\d+) .+?|(?P<percent>\d+)% of .+?|[\d.]+ [^,]+), "
    r"[\d.]+.* a second(, .*)?"
)
_RESUMED = re.compile(r".*\binterrupted\b.*(continues from there|it starts again)\.")
"""Messages of `parley.training.resume` that a training continues where it was interrupted, or why it does not."""


@dataclass
class Job:
    """A running job, and what its log says so far."""

    stage: "Stage"
    name: str
    log: Path | None
    message: str
    """Snakemake's message of a target; empty for other jobs."""
    started: float
    threads: int
    offset: int = 0
    """Number of bytes of the log that have been read."""
    share: float = 0.0
    """Fraction of the job's work that is done."""
    work: str = ""
    """The work whose progress the job logged first, such as `train adaptive/1`."""
    several: bool = False
    """Whether it has logged the progress of other work too, so that the share says nothing about the time left."""
    progress: str = ""
    """The last progress, such as `train adaptive/1, 300 of 1000 steps`."""
    note: str = ""
    """The last other message of level INFO; that of a stage's only job is shown when it ends."""
    resumed: str = ""
    """Message that the job continues an interrupted one, until it is printed."""
    errors: list[str] = field(default_factory=list)

    def read_log(self) -> list[str]:
        """Read the new lines of the log; return the warnings."""
        warnings: list[str] = []
        with suppress(OSError):
            if self.log is None or self.log.stat().st_mtime < int(self.started):  # Left by an earlier attempt.
                return warnings
            with self.log.open("rb") as stream:
                stream.seek(self.offset)
                content = stream.read()
            whole = content[: content.rfind(b"\n") + 1]
            self.offset += len(whole)
            for match in map(LOG_LINE.fullmatch, whole.decode(errors="replace").splitlines()):
                if match:
                    self._take(match["level"], match["message"], warnings)
        return warnings

    def _take(self, level: str, message: str, warnings: list[str]) -> None:
        progress = _PROGRESS.fullmatch(message)
        if level == "WARNING":
            warnings.append(message)
        elif level in ("ERROR", "CRITICAL"):
            self.errors.append(message)
        elif progress:
            self.work = self.work or progress["what"]
            self.several |= self.work != progress["what"]
            done, total = (progress["percent"], 100) if progress["percent"] else (progress["done"], progress["total"])
            if done and not self.several:
                self.share = int(done) / max(int(total), 1)
            self.progress = f"{progress['what']}, {progress['amount']}"
        elif _RESUMED.fullmatch(message):
            self.resumed = message
        elif not message.endswith(":"):
            self.note = message


@dataclass
class Stage:
    """All jobs of one rule, or of the rules of one stage's groups."""

    name: str
    total: int
    done: int = 0
    threads: int = 1
    began: float = 0.0
    """When a job of the stage began while no other one was running; 0 if none has begun."""
    took: float = 0.0
    """Seconds during which jobs of the stage ran, up to the last time that none was left running."""
    seconds: float = 0.0
    """Sum of the durations of the jobs that are done, each times its threads."""
    running: dict[int, Job] = field(default_factory=dict)
    note: str = ""
    shown: set[str] = field(default_factory=set)
    """Warnings that have been printed."""

    @property
    def share(self) -> float:
        """Number of jobs done, with a fraction for each running job."""
        return self.done + sum(job.share for job in self.running.values())

    def end(self, number: int) -> None:
        """Remove a running job."""
        self.running.pop(number)
        if not self.running:
            self.took += time.time() - self.began

    def seconds_left(self, now: float) -> float | None:
        """Return the duration of the remaining jobs, each times its threads; None if it is not known yet."""
        jobs = list(self.running.values())
        ratio = [(now - job.started) * job.threads / job.share for job in jobs if job.share > 0 and not job.several]
        if not self.done and not ratio:
            return None if self.done < self.total else 0.0
        each = (self.seconds + sum(ratio)) / (self.done + len(ratio))
        left = sum(max(each - (now - job.started) * job.threads, 0.0) for job in jobs)
        return left + (self.total - self.done - len(jobs)) * each
