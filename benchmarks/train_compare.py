"""Time of a training step, and of eight seeds in one process, in this checkout and in another, alternating in one run.

Each checkout has a process per setting, and both take their steps in turn, so that they see the same machine. The
settings are those of train.py, which both checkouts must have. Processor time of one thread; medians of rounds.

    git worktree add ../old <commit>
    uv run python benchmarks/train_compare.py ../old
    uv run python benchmarks/train_compare.py ../old --only Fixed --seeds 8 --rounds 20
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
PRESETS = ("Fixed", "Adaptive", "FixedAttention", "AdaptiveAttention")
STEPS, WARM_UP = 10, 10
WORKER = """
import sys, time
import torch
from train import BATCH, IMAGES, GameSettings, keep_freed_memory, trainer_of
torch.set_num_threads(1)
torch.manual_seed(1)
keep_freed_memory()
preset, seeds, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
trainer, taken = trainer_of(GameSettings(preset=preset), seeds, "cpu"), 0
for line in sys.stdin:
    rows = [torch.stack([torch.randperm(IMAGES)[:BATCH] for _ in range(seeds)]) for _ in range(steps)]
    started = time.process_time()
    for own in rows:
        taken += 1
        trainer.train_step(taken, own)
    print(1e3 * (time.process_time() - started) / steps / seeds, flush=True)
"""


class Worker:
    """A process that takes training steps of one setting with the code of one checkout."""

    def __init__(self, checkout: Path, preset: str, seeds: int) -> None:
        paths = os.pathsep.join([str(checkout / "src"), str(checkout / "benchmarks")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, preset, str(seeds), str(STEPS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def round(self) -> float:
        """Milliseconds of a step and seed, the mean of some steps."""
        print("go", file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("old", type=Path, help="another checkout of Parley")
    parser.add_argument("--only", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--rounds", type=int, default=12)
    chosen = parser.parse_args()
    print("preset, seeds: ms a step and seed, old and new; new / old, median of rounds (lowest to highest)")
    for preset in chosen.only:
        for seeds in chosen.seeds:
            workers = [Worker(checkout, preset, seeds) for checkout in (chosen.old.resolve(), HERE)]
            for worker in workers:
                for _ in range(-(-WARM_UP // STEPS)):
                    worker.round()
            old, new = zip(*([worker.round() for worker in workers] for _ in range(chosen.rounds)), strict=True)
            for worker in workers:
                worker.end()
            ratios = sorted(b / a for a, b in zip(old, new, strict=True))
            print(
                f"{preset}, {seeds}: {statistics.median(old):.2f}, {statistics.median(new):.2f}; "
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
