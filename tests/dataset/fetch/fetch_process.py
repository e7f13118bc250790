"""A fetch job as a process of its own, so that a test can kill it: `fetch_process.py <folder> <threads> [<out>]`."""

import sys
from pathlib import Path

from parley.dataset.class_set import read_class_set
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.stage import fetch_classes

if __name__ == "__main__":
    folder, threads, out = Path(sys.argv[1]), int(sys.argv[2]), [*sys.argv[3:], "images"][0]
    fetch_classes(
        folder / "plan.tsv",
        read_class_set(folder / "classes.tsv"),
        {"in": {"train": 12, "test": 6}},
        folder / out,
        folder / "cache",
        options=FetchOptions(margin=0.5, threads=threads, backoff_s=0.01, allow_private_hosts=True),
    )
