"""Topographic similarity of 2,000 conversations with 1,000 permutations, and what SciPy's distances alone take.

    uv run python benchmarks/topographic.py [--conversations 2000] [--permutations 1000]

Messages of 32 random bits, meanings of 512 features. Wall and process time; the product of two 1024 x 1024
matrices beside them tells how fast the machine was.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import pdist

from parley.metrics.topographic import mantel, meaning_distances, message_distances


def timed(what: str, work: Callable[[], object]) -> None:
    wall, process = time.perf_counter(), time.process_time()
    work()
    print(f"{what}: {time.perf_counter() - wall:.2f} s, process {time.process_time() - process:.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--conversations", type=int, default=2000)
    parser.add_argument("--permutations", type=int, default=1000)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    messages = generator.integers(0, 2, (options.conversations, 32)).astype(np.int8)
    meanings = generator.normal(size=(options.conversations, 512)).astype(np.float32)
    square = generator.normal(size=(1024, 1024)).astype(np.float32)
    timed("ten products of 1024 x 1024", lambda: [square @ square for _ in range(10)])
    timed("SciPy pdist, hamming", lambda: pdist(messages, "hamming"))
    timed("SciPy pdist, cosine", lambda: pdist(meanings, "cosine"))
    timed("distances of messages", lambda: message_distances(messages))
    timed("distances of meanings", lambda: meaning_distances(meanings))
    timed("similarity", lambda: mantel(messages, meanings, 0, generator))
    timed(
        f"similarity and {options.permutations} permutations",
        lambda: mantel(messages, meanings, options.permutations, generator),
    )


if __name__ == "__main__":
    main()
