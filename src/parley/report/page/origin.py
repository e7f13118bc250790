"""How the results and the page were made: time and memory of each stage, code, machine, and the other files."""

import datetime
import os
import platform
import shutil
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

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


CODE = ("Snakefile", "config", "config.yaml", "envs", "profiles", "pyproject.toml", "src", "workflow")
"""What decides results; a change elsewhere leaves a commit's results what they are."""
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a page comes from.

    Attributes
    ----------
    made
        Day and time of the page, UTC.
    commit
        The commit that is checked out; None where the code lies in no repository of its own.
    changed
        Files of the code that differ from it, as git names them.
    host
        What the page was made on: its traits by name.
    """

    made: str
    commit: str | None = None
    changed: list[str] = field(default_factory=list)
    host: dict[str, str] = field(default_factory=dict)


def find_origin(repository: str | Path) -> Origin:
    """Look at the code's repository and at this machine.

    Parameters
    ----------
    repository
        Folder with the Snakefile.
    """
    commit = _commit(Path(repository))
    return Origin(
        made=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        commit=commit,
        changed=_changed(Path(repository)) if commit is not None else [],
        host=_host(),
    )


def _commit(folder: Path) -> str | None:
    top = _said(["git", "-C", str(folder), "rev-parse", "--show-toplevel"])
    # An installed copy may lie inside a repository of something else, whose commit says nothing of it.
    if top is None or Path(top.strip()).resolve() != folder.resolve():
        return None
    commit = _said(["git", "-C", str(folder), "rev-parse", "HEAD"])
    return commit.strip() if commit else None


def _changed(folder: Path) -> list[str]:
    there = [name for name in CODE if (folder / name).exists()]
    said = _said(["git", "-C", str(folder), "-c", "core.quotePath=false", "status", "--porcelain", "-z", "--", *there])
    # A renamed file's old name stands alone, without the two letters and the space before a name.
    return [entry[3:] for entry in (said or "").split("\0") if entry[2:3] == " "]


def _said(command: list[str]) -> str | None:
    """Return what a program writes; None where it is missing, fails, or takes too long."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 -- a fixed command and our own folder  # nosec B603
            [program, *command[1:]], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


def _host() -> dict[str, str]:
    gpus = _said(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count() or "unknown"),
        "memory": _memory(),
        "GPU": ", ".join(line.strip() for line in (gpus or "").splitlines() if line.strip()) or "none found",
        "system": _system(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine() or "unknown"


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, OSError, ValueError):
        return "unknown"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name} ({platform.system()} {platform.release()}, {platform.machine()})"


FILES = (
    ("browser.html", "every conversation, to look up", ""),
    ("summary.csv", "the results, a row a run, part and metric", ""),
    ("language.csv", "messages as a language, each measure with its null", ""),
    ("exchanges.csv", "measures exchange by exchange", "language"),
    ("interventions.csv", "what messages cause: bits flipped, messages exchanged", "interventions"),
    ("difficulty.csv", "what a linear classifier makes of the same features", "difficulty"),
    ("agreement.csv", "whether seeds answer, stop and speak alike", "agreement"),
    ("comparisons.csv", "every two runs compared seed by seed", "comparisons"),
    ("claims.md", "what was claimed of the game, put to the test", "claims"),
    ("tables", "tables for a paper, in Markdown and LaTeX", "tables"),
    ("export", "all conversations in formats of other tools", "export"),
    ("data_card.md", "what the images are, and where they are from", ""),
    ("funnel.json", "how many images came how far, class by class", ""),
    ("splits.tsv", "which image is in which part", ""),
    ("descriptions.csv", "what the Receiver reads of each class", ""),
    ("words_missing.tsv", "words without a vector", ""),
    ("config.yaml", "the complete config", ""),
    ("provenance.json", "every file with the hashes of what it was made from", ""),
    ("figures", "every figure as SVG and PDF", ""),
    ("runs", "checkpoints, evaluations and messages of each run and seed", ""),
    ("logs", "each stage's log", ""),
    ("benchmarks", "each job's time and memory", ""),
)
"""Name, description, and the target that makes it on request."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A file or folder next to the page. If it does not exist, `link` is None and `target` makes it."""

    name: str
    what: str
    link: str | None
    target: str


def files_beside(folder: str | Path) -> list[Beside]:
    """List the experiment's other files: those that exist, and those that a target would make."""
    found = []
    for name, what, target in FILES:
        there = (Path(folder) / name).exists()
        is_folder = (Path(folder) / name).is_dir()
        if there or target:
            found.append(Beside(name, what, quote(name + "/" * is_folder) if there else None, target))
    return found
