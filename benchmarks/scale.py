"""An experiment of 30, 1,000 and 21,841 classes, stage by stage: jobs, time, memory, and what lies on the disk.

uv run python benchmarks/scale.py [--classes 30 1000 21841] [--stages plan images ...] [--keep FOLDER]

Classes are nouns of WordNet 3.0 with their glosses, every fifth an unseen one; images are small drawn ones, five a seen
class and one an unseen class, from a server on loopback; the network is a SqueezeNet of random weights; the game is the
2017 code's with 30 steps. So what is measured is what a stage costs by its classes, and not by the size of its images.
Each stage is a call of Snakemake of its own, on what the one before left; its start is in the figure. Memory is the
most that any one process had.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
HOST = Path(__file__).with_name("image_host.py")
SEEN_IMAGES = {"train": 3, "dev": 1, "test": 1}
STAGES = (
    *("plan of all jobs", "plan", "images", "splits", "data_card", "features", "words", "train", "evaluate"),
    *("messages", "report", "browser", "provenance", "interventions", "agreement", "difficulty", "export", "all"),
)
"""Targets, but for the first, a dry run."""
MOST_FOR_DIFFICULTY = 5000
"""Classes; the stage refuses what its linear classifier cannot hold, on this machine or that."""


class Taken(NamedTuple):
    """What a call took."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    rc: int


def nouns(wordnet: Path, count: int) -> list[tuple[str, str]]:
    """Name and wnid of nouns, evenly out of the whole file."""
    entries = [line.split(" ", 5) for line in (wordnet / "data.noun").open() if not line.startswith(" ")]
    every = len(entries) // count
    chosen = [entries[number * every] for number in range(count)]
    return [(f"{''.join(c for c in e[4].lower() if c.isalnum() or c in '_-')[:60]}-{e[0]}", f"n{e[0]}") for e in chosen]


def write_experiment(folder: Path, wordnet: Path, classes: int, port: int) -> None:
    """A class set, its list of addresses, and a config."""
    rows, urls = ["class\twnid\tdomain"], []
    for place, (name, wnid) in enumerate(nouns(wordnet, classes)):
        rows.append(f"{name}\t{wnid}\t{'out' if place % 5 == 4 else 'in'}")
        images = 1 if place % 5 == 4 else sum(SEEN_IMAGES.values())
        urls += [f"{wnid}_{one}\thttp://127.0.0.1:{port}/{len(urls) + one}.jpg\n" for one in range(images)]
    (folder / "many.tsv").write_text("\n".join(rows) + "\n")
    (folder / "urls.txt").write_text("".join(urls))
    config = {
        "experiment": "many",
        "classes": "many.tsv",
        "source": {"kind": "url_list", "url_list": {"locations": ["urls.txt"]}},
        "split": {"in": SEEN_IMAGES, "out": {"ood": 1}},
        "fetch": {"margin": 0, "allow_private_hosts": True, "per_host": 32},
        "features": {
            "backbone": "squeezenet1_1",
            "weights": "random",
            "layers": ["pooled"],
            "preprocessing": "custom",
            "custom": {"size": 64},
        },
        "descriptions": {"wordnet": str(wordnet)},
        "words": {"source": "random"},
        "training": {"steps": 30, "dev_every": 30, "first_checkpoint": 30},
        "runs": [{"name": "adaptive"}],
        "seeds": [1, 2],
        "evaluation": {"recorded_images": 500},
    }
    (folder / "many.yaml").write_text(yaml.safe_dump(config))


def call(folder: Path, *arguments: str) -> Taken:
    """Run Snakemake under a process that does nothing else and knows what its children took."""
    command = [sys.executable, __file__, "--alone", "--", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return Taken(*json.loads(done.stdout.splitlines()[-1]))


def run_alone(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "snakemake", *arguments]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--configfile", "many.yaml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    started = time.perf_counter()
    with Path("last.log").open("w") as log:
        done = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)
    taken = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.perf_counter() - started
    print(json.dumps([wall, taken.ru_utime + taken.ru_stime, taken.ru_maxrss / 1e3, done.returncode]))


def jobs_planned(folder: Path) -> str:
    """The number of jobs that the last call told of."""
    lines = (folder / "last.log").read_text().splitlines()
    return next((line.split()[1] for line in lines if line.startswith("total ")), "0")


def size_mb(*paths: Path) -> float:
    files = (each for path in paths for each in ([path] if path.is_file() else path.rglob("*")))
    return sum(each.stat().st_size for each in files if each.is_file()) / 1e6


@contextmanager
def server(seconds: float = 4 * 3600):
    """The port of a server of drawn pictures."""
    command = [sys.executable, str(HOST), "0", str(seconds), "drawn"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        yield int(host.stdout.readline())
        host.stdin.close()


def measure(folder: Path, classes: int, stages: list[str]) -> None:
    for stage in stages:
        if stage == "difficulty" and classes > MOST_FOR_DIFFICULTY:
            print(f"{classes:6} classes  {stage:17} left out: no memory holds so large a linear classifier", flush=True)
            continue
        arguments = ["-n", "--quiet", "host"] if stage == STAGES[0] else [stage, "--cores", "2", "--quiet", "host"]
        taken = call(folder, *arguments)
        if taken.rc:
            print((folder / "last.log").read_text()[-3000:])
            sys.exit(f"{classes} classes: {stage} failed")
        print(
            f"{classes:6} classes  {stage:17} {jobs_planned(folder):>5} jobs {taken.wall_s:7.1f} s by the clock "
            f"{taken.cpu_s:7.1f} s of processors {taken.memory_mb:7.0f} MB",
            flush=True,
        )
    results = folder / "results/many"
    paths = {
        **{path.name: path for path in results.glob("*") if path.is_file() and path.stat().st_size > 1e5},
        "runs/": results / "runs",
        "logs, benchmarks": results / "logs",
        "images/": folder / "resources/images",
        "features/": folder / "resources/features",
        ".snakemake/": folder / ".snakemake",
    }
    told = ", ".join(f"{name} {size_mb(path):.1f}" for name, path in sorted(paths.items()))
    files = sum(1 for path in folder.rglob("*") if path.is_file())
    print(f"{classes:6} classes  {files} files; MB: {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=[30, 1000, 21_841])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--keep", type=Path, help="work here, on what is there already, and remove nothing")
    parser.add_argument("--alone", nargs="*", help=argparse.SUPPRESS)
    if "--alone" in sys.argv:
        run_alone(sys.argv[sys.argv.index("--") + 1 :])
        return
    chosen = parser.parse_args()
    for classes in chosen.classes:
        with tempfile.TemporaryDirectory() as made, server() as port:
            folder = (chosen.keep or Path(made)) / str(classes)
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / "many.yaml").exists():
                write_experiment(folder, chosen.wordnet, classes, port)
            measure(folder, classes, chosen.stages)


if __name__ == "__main__":
    main()
