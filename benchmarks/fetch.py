"""Images a second, from a server on loopback to a tar: Parley, a bare pool of threads, and img2dataset.

uv run python benchmarks/fetch.py [--img2dataset <python of an environment that has it>] [--images 4000] [--rounds 5]

Each contender is a process of its own with an empty folder; they take turns, so that what else the
machine does hits all of them. The time is that of the work, without starting Python or importing.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOST = Path(__file__).with_name("image_host.py")
SERVER_LIVES_S = 3600
THREADS = 32
CLASSES = 8  # as many tars; the bare pool writes one


def addresses(port: int, images: int) -> list[str]:
    return [f"http://127.0.0.1:{port}/{number}.jpg" for number in range(images)]


def parley(port: int, images: int, folder: Path, verify: str) -> None:
    from parley.dataset.candidates import select
    from parley.dataset.class_set import ImageClass
    from parley.dataset.fetch.options import FetchOptions
    from parley.dataset.fetch.stage import fetch_classes
    from parley.dataset.sources import SourceOptions
    from parley.dataset.split_plan import write_plan

    lines = [f"n{number % CLASSES:08d}_{number}\t{url}\n" for number, url in enumerate(addresses(port, images))]
    (folder / "urls.txt").write_text("".join(lines))
    classes = [ImageClass(f"class{number}", f"n{number:08d}", "in") for number in range(CLASSES)]
    counts = {"in": {"train": images // CLASSES}}
    select(SourceOptions("url_list"), classes, counts, folder / "candidates.tsv", folder / "urls.txt")
    write_plan(folder / "candidates.tsv", classes, counts, 1, folder / "plan.tsv")
    options = FetchOptions(margin=0, threads=THREADS, verify=verify, allow_private_hosts=True)
    with timed(images):
        fetch_classes(folder / "plan.tsv", classes, counts, folder, folder / "cache", None, options)
    rows = sum(len(path.read_text().splitlines()) - 1 for path in folder.glob("class*.tsv"))
    assert rows == CLASSES * (images // CLASSES), rows


def bare(port: int, images: int, folder: Path) -> None:
    """What nobody can leave out: urllib3's connections, a SHA-256, a tar."""
    import hashlib
    import io
    import tarfile
    from concurrent.futures import ThreadPoolExecutor

    import urllib3

    manager = urllib3.PoolManager(maxsize=THREADS)

    def ask(url: str) -> tuple[str, bytes]:
        body = manager.request("GET", url).data
        return hashlib.sha256(body).hexdigest(), body

    with timed(images), ThreadPoolExecutor(THREADS) as pool, tarfile.open(folder / "images.tar", "w") as tar:
        for sha256, body in pool.map(ask, addresses(port, images)):
            header = tarfile.TarInfo(f"{sha256}.jpg")
            header.size = len(body)
            tar.addfile(header, io.BytesIO(body))


def img2dataset(port: int, images: int, folder: Path, processes: int) -> None:
    from img2dataset import download

    listed = folder / "urls.txt"
    listed.write_text("\n".join(addresses(port, images)))
    with timed(images):
        download(
            url_list=str(listed),
            output_folder=str(folder / "out"),
            output_format="webdataset",
            input_format="txt",
            processes_count=processes,
            thread_count=THREADS,
            disable_all_reencoding=True,
            compute_hash="sha256",
            number_sample_per_shard=images // CLASSES,
            enable_wandb=False,
        )
    stats = [json.loads(path.read_text()) for path in (folder / "out").glob("*_stats.json")]
    assert sum(one["successes"] for one in stats) == images, stats


class timed:  # noqa: N801
    """Prints the seconds of a block, with the processor's."""

    def __init__(self, images: int) -> None:
        self.images = images

    def __enter__(self) -> None:
        self.started, self.cpu = time.perf_counter(), cpu_seconds()

    def __exit__(self, *failure: object) -> None:
        if failure == (None, None, None):
            seconds, cpu = time.perf_counter() - self.started, cpu_seconds() - self.cpu
            print(json.dumps({"rate": self.images / seconds, "cpu_ms": 1000 * cpu / self.images}), flush=True)


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


CONTENDERS = {
    "parley, verify: header": lambda *where: parley(*where, "header"),
    "parley, verify: decode": lambda *where: parley(*where, "decode"),
    "bare urllib3 pool": bare,
    "img2dataset, 1 process": lambda *where: img2dataset(*where, 1),
    "img2dataset, 2 processes": lambda *where: img2dataset(*where, 2),
}


def one_turn(name: str, python: str, port: int, images: int, folder: Path) -> dict[str, float]:
    folder.mkdir()
    command = [python, __file__, "--contender", name, "--port", str(port), "--folder", str(folder)]
    done = subprocess.run([*command, "--images", str(images)], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"rate"')]
    if done.returncode or not lines:
        sys.exit(f"{name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return json.loads(lines[-1])


def compare(images: int, rounds: int, other_python: str | None, only: str) -> None:
    names = [name for name in CONTENDERS if other_python or not name.startswith("img2dataset") if only in name]
    rates: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    command = [sys.executable, str(HOST), str(images), str(SERVER_LIVES_S)]
    # Emptied at the very end: ext4 makes new files many times more slowly just after thousands were removed.
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        port = int(server.stdout.readline())
        for turn in range(rounds):
            for number, name in enumerate(names):
                python = other_python if name.startswith("img2dataset") else sys.executable
                rates[name].append(one_turn(name, python, port, images, Path(folder, f"{turn}-{number}")))
        server.stdin.close()
    for name, turns in rates.items():
        each = [turn["rate"] for turn in turns]
        cpu = statistics.median(turn["cpu_ms"] for turn in turns)
        print(
            f"{name:26} {statistics.median(each):6.0f} images/s ({min(each):.0f} to {max(each):.0f}), "
            f"{cpu:.2f} ms of a processor an image"
        )
    if "bare urllib3 pool" in names:
        for name in names:
            ratios = [a["rate"] / b["rate"] for a, b in zip(rates[name], rates["bare urllib3 pool"], strict=True)]
            print(f"{name:26} {statistics.median(ratios):.2f} of the bare pool's rate, median of {rounds} rounds")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--img2dataset", metavar="PYTHON")
    parser.add_argument("--only", default="", help="contenders whose name holds this")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        CONTENDERS[given.contender](given.port, given.images, given.folder)
    else:
        compare(given.images, given.rounds, given.img2dataset, given.only)
