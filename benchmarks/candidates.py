"""Memory and time of each stage that touches candidates, at a million of them in 1, 10 and 1,000 classes.

uv run python benchmarks/candidates.py [--candidates 1000000] [--classes 1 10 1000] [--only select_classes split]

Each stage is a process of its own, run one after another on what the one before wrote; the memory is the most
that the process had (ru_maxrss), Python and its libraries included. Fetching asks a server on loopback, in a
process of its own too, for some 2,000 to 3,000 images; two in five of its addresses are dead.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

MARGIN = 0.1


class Case(NamedTuple):
    """What is measured: candidates spread evenly over classes, in a folder, behind a port."""

    folder: Path
    candidates: int
    classes: int
    port: int

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        most = max(2000 // self.classes, 3)
        return {"in": {"train": most - 2 * max(most // 10, 1), "dev": max(most // 10, 1), "test": max(most // 10, 1)}}

    def class_set(self) -> list:
        from parley.dataset.class_set import ImageClass

        return [ImageClass(f"class{number:04d}", f"n{number:08d}", "in") for number in range(self.classes)]


def write_list(case: Case) -> None:
    """A URL list; addresses are about as long as those of a photo service."""
    each = case.candidates // case.classes
    with (case.folder / "urls.txt").open("w") as stream:
        for one in range(case.classes):
            for number in range(one * each, (one + 1) * each):
                stream.write(f"n{one:08d}_{number}\thttp://127.0.0.1:{case.port}/3178/{number}_static_a532eb3dfc.jpg\n")


def select_classes(case: Case) -> None:
    from parley.dataset.candidates import select
    from parley.dataset.sources import SourceOptions

    options = SourceOptions("url_list")
    select(options, case.class_set(), case.counts, case.folder / "candidates.tsv", case.folder / "urls.txt")


def split(case: Case) -> None:
    from parley.dataset.split_plan import write_plan

    write_plan(case.folder / "candidates.tsv", case.class_set(), case.counts, 1, case.folder / "plan.tsv")


def publish_plan(case: Case) -> None:
    from parley.dataset.split_plan import publish_plan

    publish_plan(case.folder / "plan.tsv", case.folder / "published.tsv")


def fetch_images(case: Case) -> None:
    from parley.dataset.fetch.options import FetchOptions
    from parley.dataset.fetch.stage import fetch_classes

    options = FetchOptions(margin=MARGIN, allow_private_hosts=True, per_host=32)
    folder = case.folder
    fetch_classes(folder / "plan.tsv", case.class_set(), case.counts, folder, folder / "cache", None, options)


def settle(case: Case) -> None:
    from parley.dataset.dedup.finalise import finalise_splits
    from parley.dataset.dedup.outcomes import DedupOptions

    folder, classes = case.folder, case.class_set()
    manifests = {one.name: folder / f"{one.name}.tsv" for one in classes}
    files = {"splits": folder / "splits.tsv", "funnel": folder / "funnel.json", "final_classes": folder / "classes.tsv"}
    finalise_splits(folder / "plan.tsv", manifests, [], classes, case.counts, DedupOptions(MARGIN), **files)


STAGES: dict[str, Callable[[Case], None]] = {
    "write_list": write_list,
    "select_classes": select_classes,
    "split": split,
    "publish_plan": publish_plan,
    "fetch_images": fetch_images,
    "settle": settle,
}


class Server(BaseHTTPRequestHandler):
    """Answers with a picture of its own for each address, or with 404."""

    protocol_version = "HTTP/1.1"
    jpeg = b""

    def do_GET(self) -> None:
        from image_host import numbered

        number = int(self.path.rpartition("/")[2].partition("_")[0])
        body = b"" if number % 5 < 2 else numbered(self.jpeg, number)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve() -> None:
    from image_host import photograph

    Server.jpeg = photograph()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


def run_alone(stage: str, case: Case) -> dict[str, float]:
    command = [sys.executable, __file__, "--stage", stage, "--folder", str(case.folder), "--port", str(case.port)]
    command += ["--candidates", str(case.candidates), "--classes", str(case.classes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{stage} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(candidates: int, classes: list[int], stages: list[str]) -> None:
    command = [sys.executable, __file__, "--stage", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline())
            for number in classes:
                with tempfile.TemporaryDirectory() as folder:
                    case = Case(Path(folder), candidates, number, port)
                    for stage in ["write_list", *stages]:
                        taken = run_alone(stage, case)
                        told = f"{taken['mb']:6.0f} MB {taken['s']:6.1f} s {taken['cpu']:6.1f} s of processors"
                        if stage != "write_list":
                            print(f"{number:5} classes  {stage:15} {told}", flush=True)
        finally:
            server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, nargs="+", default=[1, 10, 1000])
    parser.add_argument("--only", nargs="+", choices=list(STAGES)[1:], default=list(STAGES)[1:])
    parser.add_argument("--stage", choices=[*STAGES, "serve"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage == "serve":
        serve()
    elif given.stage:
        started = time.perf_counter()
        STAGES[given.stage](Case(given.folder, given.candidates, given.classes[0], given.port))
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"s": time.perf_counter() - started, "cpu": time.process_time(), "mb": most}))
    else:
        measure(given.candidates, given.classes, given.only)
