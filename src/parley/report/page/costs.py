"""Time and memory of each stage, from Snakemake's benchmark files."""

import datetime
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.files import read_table

ORDER = (
    "draw_world", "select_classes", "fetch_images", "hash_images", "settle", "extract_features", "gather_features",
    "build_descriptions", "embed_words", "train_run", "evaluate_run", "extract_messages", "extract_attention",
    "analyse_run", "measure_language", "draw_figures", "draw_run_figures",
)  # fmt: skip
"""Stages in order of the data flow; others follow by name."""
PAGE = "build_report"
SHARED = ("draw_world", "fetch_images", "hash_images", "extract_features")
"""Stages whose files experiments share, and which do not run if the files exist."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job: seconds it took, its largest resident memory in MB (None: not known), and when it ended (s, epoch)."""

    seconds: float
    memory_mb: float | None
    ended: float


@dataclass(frozen=True, slots=True)
class StageCost:
    """Total time and memory of a stage's jobs.

    Attributes
    ----------
    stage
        Name of the rule, in words.
    jobs
        How many.
    seconds, longest_s
        Sum over the jobs, and the longest of them.
    memory_mb
        The largest resident memory of a job; None where no job was long enough to be looked at.
    last
        Day and hour at which the last of them ended, UTC.
    """

    stage: str
    jobs: int
    seconds: float
    longest_s: float
    memory_mb: float | None
    last: str


@dataclass(frozen=True, slots=True)
class Costs:
    """Time and memory of an experiment.

    Attributes
    ----------
    stages
        One a stage that has run for this experiment.
    seconds
        Sum over all jobs.
    wall_s
        How long at least one of the jobs was running.
    reused
        Stages of the source that have not run for this experiment: their files were there.
    unreadable
        Files that are no benchmark, and so are in no sum.
    """

    stages: list[StageCost] = field(default_factory=list)
    seconds: float = 0.0
    wall_s: float = 0.0
    reused: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def read_costs(folder: str | Path, needed: Collection[str] = ()) -> Costs:
    """Read the benchmark files of an experiment.

    Parameters
    ----------
    folder
        `benchmarks/`: `<rule>.tsv`, or `<rule>/<job>.tsv`. A file's time of change says when its job ended.
    needed
        Rules without which the experiment's files are not made; those of `SHARED` that did not run are reported.
    """
    jobs: dict[str, list[Job]] = {}
    unreadable = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        place = path.relative_to(folder)
        try:
            jobs.setdefault(place.parts[0].removesuffix(".tsv"), []).extend(_jobs(path))
        except (ParleyError, OSError, ValueError):
            # A file that another job is writing at this time is skipped.
            unreadable.append(place.as_posix())
    # This job's own benchmark is of the previous report.
    jobs = {name: own for name, own in jobs.items() if own and name != PAGE}
    names = [name for name in ORDER if name in jobs] + sorted(jobs.keys() - set(ORDER))
    everything = [job for name in names for job in jobs[name]]
    return Costs(
        stages=[_stage(name, jobs[name]) for name in names],
        seconds=sum(job.seconds for job in everything),
        wall_s=busy_seconds((job.ended - job.seconds, job.ended) for job in everything),
        reused=[in_words(name) for name in SHARED if name in needed and name not in jobs],
        unreadable=unreadable,
    )


def in_words(rule: str) -> str:
    """Return a rule's name as words."""
    return rule.replace("_", " ")


def busy_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """Return the total length of the union of time spans."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _jobs(path: Path) -> list[Job]:
    ended = path.stat().st_mtime
    return [Job(float(row["s"]), _number(row["max_rss"]), ended) for row in read_table(path, ["s", "max_rss"])]


def _number(text: str) -> float | None:
    # Snakemake writes a dash for a job that ends before it is sampled.
    try:
        return float(text)
    except ValueError:
        return None


def _stage(name: str, jobs: list[Job]) -> StageCost:
    memories = [job.memory_mb for job in jobs if job.memory_mb is not None]
    last = datetime.datetime.fromtimestamp(max(job.ended for job in jobs), datetime.UTC)
    return StageCost(
        stage=in_words(name),
        jobs=len(jobs),
        seconds=sum(job.seconds for job in jobs),
        longest_s=max(job.seconds for job in jobs),
        memory_mb=max(memories, default=None),
        last=f"{last:%Y-%m-%d %H:%M}",
    )
