"""How results were made: the image source, the time and memory of each stage, the code, the machine, and the files."""

import datetime
import platform
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from parley.config.options import source_options
from parley.core.errors import ParleyError
from parley.core.tables import read_table
from parley.dataset.data_card_text import source_places
from parley.dataset.sources import kind_of
from parley.provenance.job import CODE, git_state, machine, output_of

ORDER = (
    "draw_world", "download_urls", "download_dataset", "list_archives", "select_classes", "fetch_images",
    "hash_images", "extract_features", "gather_features", "embed_words", "encode_descriptions", "train_run",
    "evaluate_run", "extract_messages", "extract_attention", "analyse_run", "measure_language", "draw_figures",
    "draw_run_figures",
)  # fmt: skip
"""Rules in the order of the data flow; the page lists other rules after these, in alphabetical order."""
PAGE = "build_report"
"""Rule that makes the page."""


def read_costs(folder: str | Path, shared: Sequence[str] = ()) -> dict[str, Any]:
    """Return the time and memory of each rule of an experiment, from its benchmark files.

    Parameters
    ----------
    folder
        The folder `benchmarks/`, with files `<rule>.tsv` or `<rule>/<job>.tsv`. The modification time of a file is
        taken as the end of its job.
    shared
        Rules of the experiment whose output files other experiments may have made; those that did not run are returned
        as `reused`.

    Returns
    -------
    dict
        `stages`: for each rule that ran, its name with spaces (`stage`), number of `jobs`, total time in `seconds`,
        time of the longest job (`longest_s`), largest resident memory of a job (`memory_mb`; None if every job was too
        short to be sampled) and when the `last` job ended (UTC). `seconds`: total time of all jobs. `wall_s`: time in
        seconds during which at least one job ran. `reused`: shared rules that did not run because their output files
        existed. `unreadable`: files that are not valid benchmark files.
    """
    jobs: dict[str, list[tuple[float, float | None, float]]] = {}
    unreadable = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        name = path.relative_to(folder)
        try:
            ended = path.stat().st_mtime
            rows = read_table(path, ["s", "max_rss"])
            own = [(float(row["s"]), _number(row["max_rss"]), ended) for row in rows]
        except (ParleyError, OSError, ValueError):
            # Another job may be writing the file at this time.
            unreadable.append(name.as_posix())
            continue
        # A benchmark of the report itself is from an earlier version of the page.
        if own and (rule := name.parts[0].removesuffix(".tsv")) != PAGE:
            jobs.setdefault(rule, []).extend(own)
    names = [name for name in ORDER if name in jobs] + sorted(jobs.keys() - set(ORDER))
    everything = [job for name in names for job in jobs[name]]
    return {
        "stages": [_stage(name, jobs[name]) for name in names],
        "seconds": sum(seconds for seconds, _, _ in everything),
        "wall_s": busy_seconds((ended - seconds, ended) for seconds, _, ended in everything),
        "reused": [name.replace("_", " ") for name in shared if name not in jobs],
        "unreadable": unreadable,
    }


def _number(text: str) -> float | None:
    # Snakemake writes a dash if a job ends before its memory is sampled.
    try:
        return float(text)
    except ValueError:
        return None


def _stage(rule: str, jobs: Sequence[tuple[float, float | None, float]]) -> dict[str, Any]:
    """Return the entry of a rule in the `stages` of `read_costs`."""
    last = datetime.datetime.fromtimestamp(max(ended for _, _, ended in jobs), datetime.UTC)
    return {
        "stage": rule.replace("_", " "),
        "jobs": len(jobs),
        "seconds": sum(seconds for seconds, _, _ in jobs),
        "longest_s": max(seconds for seconds, _, _ in jobs),
        "memory_mb": max((memory for _, memory, _ in jobs if memory is not None), default=None),
        "last": f"{last:%Y-%m-%d %H:%M}",
    }


def busy_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of time spans, each given as (start, end)."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


CLASS_SETS = "config/classes"
CODE_AND_PROFILES = (*CODE, "profiles", "pyproject.toml", CLASS_SETS)
"""Files and folders of the repository that affect results, except for configs, which the page shows in full."""


def find_origin(repository: str | Path) -> dict[str, Any]:
    """Describe the code and the machine with which a page is made.

    Parameters
    ----------
    repository
        Folder with the Snakefile.

    Returns
    -------
    dict
        `made`: current date and time, in UTC. `commit`: hash of the checked-out commit; None if the folder is not the
        root of a git repository, or git fails. `changed`: files in `CODE_AND_PROFILES` that differ from the commit,
        new class sets excepted; None if git cannot tell. `host`: properties of the machine, by name.
    """
    commit, changed = git_state(repository, CODE_AND_PROFILES, tracked_only=CLASS_SETS)
    return {
        "made": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        "commit": commit or None,
        "changed": changed,
        "host": _host(),
    }


def _host() -> dict[str, str]:
    found = machine()
    gpus = output_of(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return {
        "processor": found["cpu"] or "unknown",
        "cores": str(found["cores"] or "unknown"),
        "memory": f"{found['memory_gib']:.0f} GiB",
        "GPU": ", ".join(line.strip() for line in (gpus or "").splitlines() if line.strip()) or "none found",
        "system": f"{name} ({found['system']})",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def image_source(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the origin of the images, given the section `source` of the config.

    The `kind` and the `places` (addresses, paths and datasets) are worded as in the data card. `drawn`: whether Parley
    draws the images. `terms`: terms of use, as stated in the config; may be empty.
    """
    options = source_options(source)
    kind, places = kind_of(options.kind), list(chain.from_iterable(source_places(options).values()))
    return {"kind": kind.label, "places": places, "drawn": kind.drawn, "terms": options.terms}


FILES = (
    ("browser.html", "every dialogue, with filters and search", ""),
    ("summary.csv", "the results: one row per run, split and metric", ""),
    ("language.csv", "metrics of messages as a language, most with a null distribution", ""),
    ("exchanges.csv", "metrics by exchange", "language"),
    ("interventions.csv", "effects of flipping bits and of swapping messages between dialogues", "interventions"),
    ("difficulty.csv", "accuracy of a linear classifier on the same features", "difficulty"),
    ("agreement.csv", "agreement between seeds in answers, lengths and messages", "agreement"),
    ("comparisons.csv", "comparisons of each pair of runs, seed by seed", "comparisons"),
    ("claims.md", "tests of claims about the game", "claims"),
    ("tables", "tables for a paper, in Markdown and LaTeX", "tables"),
    ("export", "all dialogues in the formats of other tools", "export"),
    ("data_card.md", "what the images are and where they come from", ""),
    ("funnel.json", "number of images after each step, by class", ""),
    ("splits.tsv", "the split of each image", ""),
    ("descriptions.csv", "the description of each class", ""),
    ("words_missing.tsv", "words without a vector", ""),
    ("config.yaml", "the complete config", ""),
    ("provenance.json", "every file with the hashes of its inputs", ""),
    ("figures", "every figure as SVG and PDF", ""),
    ("runs", "checkpoints, evaluations and messages of each run and seed", ""),
    ("logs", "the log of each stage", ""),
    ("benchmarks", "time and memory of each job", ""),
)
"""Name and description of the experiment's files; for a file made on request, also the target that makes it."""


def files_beside(folder: str | Path) -> list[dict[str, Any]]:
    """Return the entries of `FILES` that exist in a folder (with a `link`) or are made on request (with a `target`)."""
    found = []
    for name, what, target in FILES:
        path = Path(folder) / name
        if path.exists() or target:
            link = quote(name + "/" * path.is_dir()) if path.exists() else None
            found.append({"name": name, "what": what, "link": link, "target": target})
    return found
