"""A tiny experiment over HTTP that has every stage, in a copy of the project of its own, and what it leaves."""

import hashlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from fork_server import preloaded_python
from PIL import Image
from tiny_runs import TINY

ROOT = Path(__file__).parents[1]
SEEN, UNSEEN, PER_CLASS = ("ant", "bee", "cat", "dog"), ("elk", "fox"), 40
PER_HOST = 2
TARGETS = ("all", "metrics", "claims", "tables", "export")
LONGEST_S = 1500
SNAKEMAKE = (sys.executable, str(Path(__file__).with_name("plain_snakemake.py")))
"""Snakemake in a process of its own; `preloaded_snakemake` starts sooner."""


def picture(name: str) -> bytes:
    """Return a small JPEG of noise, another for each name."""
    noise = b"".join(hashlib.sha256(f"{name}{number}".encode()).digest() for number in range(6))
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 8), noise).resize((48, 48)).save(out, "JPEG")
    return out.getvalue()


def write_class_set(path: Path, rows: Iterable[Sequence[str]]) -> str:
    """Write a class set of rows of class, wnid, domain, and perhaps group and description; return the file's name."""
    lines = ["\t".join(row) for row in rows]
    header = ("class", "wnid", "domain", "group", "description")[: lines[0].count("\t") + 1]
    path.write_text("\n".join(["\t".join(header), *lines]) + "\n")
    return path.name


def write_url_list(folder: Path, address: str, names: Sequence[str], per_class: int) -> None:
    """Write `urls.txt`, a list in the form of 2011; the number in a class's wnid is its place in `names`."""
    lines = [
        f"n{number:08d}_{index}\t{address}/{name}/{index}.jpg\n"
        for number, name in enumerate(names)
        for index in range(per_class)
    ]
    (folder / "urls.txt").write_text("".join(lines))


def write_pictures(folder: Path) -> None:
    """Write what the server serves; of each class every seventh address stays dead."""
    for name in (*SEEN, *UNSEEN):
        (folder / name).mkdir()
        for index in range(PER_CLASS):
            if index % 7 != 4:
                (folder / name / f"{index}.jpg").write_bytes(picture(f"{name}{index}"))


def copy_project(folder: Path) -> None:
    """Copy what the workflow is made of into a folder."""
    for name in ("Snakefile", "CITATION.cff", "config.yaml", "config", "profiles", "workflow", "envs", "src"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / name)


def write_experiment(folder: Path, address: str) -> Path:
    """Copy the project into a folder, with a class set, a URL list and a config; return the config."""
    copy_project(folder)
    names = (*SEEN, *UNSEEN)
    write_url_list(folder, address, names, PER_CLASS)
    write_class_set(
        folder / "tiny.tsv",
        (
            (name, f"n{number:08d}", "in" if name in SEEN else "out", f"g{number % 2}", f"a small {name} of wood")
            for number, name in enumerate(names)
        ),
    )
    config: dict[str, Any] = {
        **TINY,
        "experiment": "tiny",
        "source": {"kind": "url_list", "url_list": {"locations": ["urls.txt"]}},
        "fetch": {"margin": 1, "allow_private_hosts": True, "classes_per_job": 3, "per_host": PER_HOST},
        "words": {"source": "random"},
        "tables": [{"name": "accuracy", "metrics": ["accuracy@1"]}],
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def preloaded_snakemake() -> tuple[str, str]:
    """Return the command of Snakemake in a fork that has imported the libraries, as its jobs are then, too."""
    return preloaded_python(), SNAKEMAKE[1]


def command(cores: int, targets: tuple[str, ...] = TARGETS, snakemake: tuple[str, str] = SNAKEMAKE) -> list[str]:
    """Return the command that makes targets."""
    return [*snakemake, "--cores", str(cores), *targets, "--configfile", "tiny.yaml"]


def run(folder: Path, cores: int = 2, targets: tuple[str, ...] = TARGETS, ok: bool = True) -> str:
    """Make everything, or the targets; return Snakemake's output."""
    done = subprocess.run(
        command(cores, targets, preloaded_snakemake()),
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LONGEST_S,
        check=False,
    )
    assert (done.returncode == 0) == ok, done.stdout[-6000:]
    return done.stdout


def files_in(folder: Path, below: tuple[str, ...] = ("results", "resources")) -> dict[str, bytes]:
    """Return all files below some folders of a folder, by their path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for top in below
        for path in sorted((folder / top).rglob("*"))
        if path.is_file()
    }


def cached_keys(folder: Path) -> set[str]:
    """Return the keys of the answers that are in the cache under their final name."""
    return {path.name for path in (folder / "resources/cache").glob("*/*") if not path.name.startswith(".")}


def kill_at_random(folder: Path, moment: "Moment", cores: int = 2) -> bool:
    """Start the command and kill all that it started at some moment; return whether it was done before that."""
    with subprocess.Popen(
        command(cores), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        goal, until = len(finished(folder)) + moment.files, time.monotonic() + 120
        while len(finished(folder)) < goal and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment.seconds)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait() == 0


class Moment(NamedTuple):
    """When to kill: so many seconds after so many more files are there."""

    files: int
    seconds: float


def moments(seed: int, count: int) -> list[Moment]:
    """Draw moments that spread over the whole line, and over the life of a job."""
    chance = random.Random(seed)
    return [Moment(chance.choice((0, 1, 2, 4, 8, 12)), chance.uniform(0, 4)) for _ in range(count)]


def finished(folder: Path) -> list[Path]:
    """Return the files that are there under a final name."""
    tops = [folder / "results/tiny", folder / "resources"]
    return [
        path for top in tops for path in top.rglob("*") if path.is_file() and "/." not in str(path)[len(str(top)) :]
    ]


def half_written(folder: Path) -> list[Path]:
    """Return what lies about under a name that is none of a finished file."""
    found = [path for top in ("results", "resources") for path in (folder / top).rglob(".*")]
    ours = (".made", ".records", ".classes", ".snakemake_timestamp")
    return [path for path in found if path.name not in ours]
