"""How a training step grows with descriptions, exchanges, bits and seeds: a table, and a plot.

A Fixed game of 64 images a batch, 512-d features and hidden layers of 256, 64 and 500; where one of them grows, the
others stay at 42 descriptions, 10 exchanges, 32 bits and 1 seed. Process time beside a 1024 x 1024 product, one thread.

    uv run python benchmarks/growth.py growth.svg [--only "descriptions (D)"] [--seeds 1]
"""

import argparse
import resource

import matplotlib.pyplot as plt
import torch
from train import Clock, measure, trainer_of

from parley.game import GameSettings
from parley.training.loop import keep_freed_memory

GROWING = {
    "descriptions (D)": [30, 100, 1000, 10000, 21841],
    "exchanges (T)": [1, 2, 5, 10, 20, 40],
    "bits (d)": [2, 8, 32, 64, 128, 256],
    "seeds (S)": [1, 2, 4, 8, 16],
}


def products_a_step(what: str, size: int, seeds: int) -> float:
    game = GameSettings(
        preset="Fixed",
        max_exchanges=size if "(T)" in what else 10,
        message_bits=size if "(d)" in what else 32,
    )
    seeds = size if "(S)" in what else seeds
    trainer = trainer_of(game, seeds, "cpu", classes=size if "(D)" in what else 42)
    step, product, _ = measure(trainer, Clock("cpu", wall=False), steps=8 if size >= 1000 else 20)
    return step / product


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plot", nargs="?")
    parser.add_argument("--only", nargs="+", choices=list(GROWING), default=list(GROWING))
    parser.add_argument("--seeds", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    figure, panels = plt.subplots(1, len(chosen.only), figsize=(13, 3.2), constrained_layout=True, squeeze=False)
    for panel, what in zip(panels[0], chosen.only, strict=True):
        sizes, found = GROWING[what], []
        for size in sizes:
            found.append(products_a_step(what, size, chosen.seeds))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            print(f"{what} {size}: {found[-1]:.2f} products a step; at most {peak:.0f} MB so far", flush=True)
        panel.loglog(sizes, found, "o-")
        panel.set(xlabel=what, ylabel="products a step" if panel is panels[0, 0] else "")
        panel.grid(visible=True, alpha=0.3)
    if chosen.plot:
        figure.savefig(chosen.plot)


if __name__ == "__main__":
    main()
