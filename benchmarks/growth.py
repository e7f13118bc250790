"""How a training step grows with descriptions, exchanges, bits and seeds: a table, and a plot.

A Fixed game of 64 images a batch, 512-d features and hidden layers of 256, 64 and 500; where one of them grows, the
others stay at 42 descriptions, 10 exchanges, 32 bits and 1 seed. Process time beside a 1024 x 1024 product, one thread.

    uv run python benchmarks/growth.py growth.svg
"""

import resource
import sys

import matplotlib.pyplot as plt
import torch
from train import Clock, measure, trainer_of

from parley.allocation import keep_freed_memory
from parley.game import GameSettings

GROWING = {
    "descriptions (D)": [30, 100, 1000, 10000],
    "exchanges (T)": [1, 2, 5, 10, 20, 40],
    "bits (d)": [2, 8, 32, 64, 128, 256],
    "seeds (S)": [1, 2, 4, 8, 16],
}


def products_a_step(what: str, size: int) -> float:
    game = GameSettings(
        preset="Fixed",
        max_exchanges=size if "(T)" in what else 10,
        message_bits=size if "(d)" in what else 32,
    )
    seeds = size if "(S)" in what else 1
    trainer = trainer_of(game, seeds, "cpu", classes=size if "(D)" in what else 42)
    step, product, _ = measure(trainer, Clock("cpu", wall=False), steps=8 if size >= 1000 else 20)
    return step / product


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    figure, panels = plt.subplots(1, len(GROWING), figsize=(13, 3.2), constrained_layout=True)
    for panel, (what, sizes) in zip(panels, GROWING.items(), strict=True):
        found = []
        for size in sizes:
            found.append(products_a_step(what, size))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            print(f"{what} {size}: {found[-1]:.2f} products a step; at most {peak:.0f} MB so far", flush=True)
        panel.loglog(sizes, found, "o-")
        panel.set(xlabel=what, ylabel="products a step" if panel is panels[0] else "")
        panel.grid(visible=True, alpha=0.3)
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1])


if __name__ == "__main__":
    main()
