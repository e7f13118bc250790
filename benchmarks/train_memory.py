"""Peak memory of training with visual attention on 33,000 feature maps in half precision, 2.2 GB of them.

The maps are stand-ins, written to a scratch file; one round keeps them in memory, the other maps them from the file.

    uv run python benchmarks/train_memory.py [--images 33000] [--mapped] [--seeds 1]
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch

from parley.features import rows
from parley.game import Descriptions, GameSettings, TrainingSettings
from parley.interaction.split_data import Candidates, load_part
from parley.training.loop import keep_freed_memory
from parley.training.trainer import Trainer
from parley.training.training_data import build_training_data

CLASSES, STEPS = 60, 30


def write_part(path: Path, images: int) -> None:
    draw = np.random.default_rng(1)
    some = draw.normal(size=(256, 1, 512, 8, 8)).astype(np.float16)
    with h5py.File(path, "w") as file:
        maps = file.create_dataset("layer4_2", (images, 1, 512, 8, 8), np.float16, chunks=(1, 1, 512, 8, 8))
        for start in range(0, images, 256):
            maps[start : start + 256] = some[: min(256, images - start)]
        file["fc"] = draw.normal(size=(images, 1, 1000)).astype(np.float32)
        file["Target"] = np.arange(images) % CLASSES
        file["Location"] = np.array([f"{row}.jpg".encode() for row in range(images)])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=33_000)
    parser.add_argument("--mapped", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    if chosen.mapped:
        rows.IN_MEMORY_BYTES = 0
    game = GameSettings(preset="AdaptiveAttention")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.hdf5"
        write_part(path, chosen.images)
        started = time.perf_counter()
        part = load_part(path, game)
        candidates = Candidates([str(one) for one in range(CLASSES)], Descriptions(torch.randn(CLASSES, 100)))
        trainer = Trainer(
            build_training_data(part, part, candidates, game), game, TrainingSettings(), range(chosen.seeds)
        )
        loaded = time.perf_counter() - started
        started = time.perf_counter()
        for step in range(1, STEPS + 1):
            trainer.train_step(step, torch.stack([torch.randperm(chosen.images)[:64] for _ in range(chosen.seeds)]))
        each = (time.perf_counter() - started) / STEPS
        kind = type(part.images.rows).__name__
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{chosen.images} maps, {kind}: peak {peak:.2f} GB, loaded in {loaded:.0f} s, {1e3 * each:.0f} ms a step")


if __name__ == "__main__":
    main()
