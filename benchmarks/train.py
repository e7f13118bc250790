"""Milliseconds of a training step, beside a 1024 x 1024 float32 product timed in the same run.

The setting is fixed: 64 images a batch, 42 descriptions, 512-d features, 32 bits, 10 exchanges, hidden
layers of 256, 64 and 500, made-up data. A product is timed after every step, so that both see the same
machine; times are of the process, so that other work on it counts little.

    uv run python benchmarks/train.py                        # the four presets, one thread
    uv run python benchmarks/train.py --threads 2 --wall     # on both cores, by the clock
    uv run python benchmarks/train.py --seeds 1 2 4 8 --only Fixed Adaptive
    uv run python benchmarks/train.py --device cuda --seeds 1 8 64 256          # with CUDA graphs and without
    uv run python benchmarks/train.py --device cuda --seeds 1 8 64 256 --graphs # with alone
"""

import argparse
import statistics
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from parley.game import Descriptions, GameSettings, Images, TrainingSettings
from parley.game.settings import PRESETS
from parley.interaction.split_data import Candidates, Part
from parley.training.loop import keep_freed_memory
from parley.training.trainer import Trainer
from parley.training.training_data import build_training_data

WARM_UP, CLASSES, IMAGES, BATCH = 10, 42, 42 * 24, 64


def made_up(game: GameSettings, classes: int = CLASSES) -> tuple[Part, Candidates]:
    targets = torch.arange(IMAGES) % classes
    images = (
        Images(torch.randn(IMAGES, 64, 512), torch.randn(IMAGES, 1000))
        if game.visual_attention
        else Images(torch.randn(IMAGES, 512))
    )
    part = Part(images, targets, [str(row) for row in range(IMAGES)])
    return part, Candidates([str(label) for label in range(classes)], Descriptions(torch.randn(classes, 100)))


def trainer_of(
    game: GameSettings,
    seeds: int,
    device: str,
    classes: int = CLASSES,
    talkative: bool = False,
    graphs: bool = True,
) -> Trainer:
    part, candidates = made_up(game, min(classes, IMAGES))
    if classes > IMAGES:  # More candidates than images: the others are read and never right.
        part, _ = made_up(game, IMAGES)
        candidates = Candidates([str(label) for label in range(classes)], Descriptions(torch.randn(classes, 100)))
    data = build_training_data(part, part, candidates, game)
    data = data._replace(descriptions=candidates.descriptions, dev_descriptions=candidates.descriptions)
    trainer = Trainer(data, game, TrainingSettings(device=device, cuda_graphs=graphs), range(1, seeds + 1))
    if talkative:
        trainer.agents.receiver.stop.bias.data.fill_(10.0)
    return trainer


class Clock:
    def __init__(self, device: str, wall: bool) -> None:
        self.device = device
        self.now = time.perf_counter if wall or device == "cuda" else time.process_time

    def taken(self, work) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        started = self.now()
        work()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return 1e3 * (self.now() - started)


def measure(trainer: Trainer, clock: Clock, steps: int) -> tuple[float, float, float]:
    """Median milliseconds of a step and of a product, and the turns of a step."""
    a, b = torch.randn(2, 1024, 1024, device=trainer.device)
    seeds = len(trainer.seeds)
    took, products, turns = [], [], []
    for step in range(1, steps + WARM_UP + 1):
        rows = torch.stack([torch.randperm(IMAGES)[:BATCH] for _ in range(seeds)])
        took.append(clock.taken(lambda step=step, rows=rows: turns.append(trainer.train_step(step, rows)[-1])))
        products.append(clock.taken(lambda: a @ b))
    length = torch.stack(turns).mean().item()
    return statistics.median(took[WARM_UP:]), statistics.median(products[WARM_UP:]), length


def arithmetic(trainer: Trainer) -> float:
    """Multiplications and additions of a step's matrix products, in those of a 1024 x 1024 one."""
    rows = torch.stack([torch.randperm(IMAGES)[:BATCH] for _ in trainer.seeds])
    with FlopCounterMode(display=False) as counted:
        trainer.train_step(1, rows)
    return counted.get_total_flops() / (2 * 1024**3)


def ways_of(device: str, chosen: bool | None) -> list[bool]:
    """Whether steps are replayed as CUDA graphs: as chosen, or on a GPU both ways."""
    return [chosen is not False] if device == "cpu" or chosen is not None else [True, False]


def told(trainer: Trainer) -> str:
    """Say of a GPU's steps how they were taken."""
    if trainer.device.type == "cpu":
        return ""
    return "; graphs" if trainer.graphed_step is not None and trainer.graphed_step.graph is not None else "; no graphs"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--wall", action="store_true", help="time by the clock; always so on a GPU")
    parser.add_argument("--talkative", action="store_true", help="keep adaptive dialogues going to the end")
    parser.add_argument("--graphs", action=argparse.BooleanOptionalAction, help="on a GPU; both ways by default")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    keep_freed_memory()
    clock = Clock(chosen.device, chosen.wall)
    print("preset, seeds, exchanges a dialogue: ms a step, ms a product, products a step, by seed; by arithmetic alone")
    for preset in chosen.only:
        for seeds in chosen.seeds:
            for graphs in ways_of(chosen.device, chosen.graphs):
                game = GameSettings(preset=preset)
                trainer = trainer_of(game, seeds, chosen.device, talkative=chosen.talkative, graphs=graphs)
                least = arithmetic(trainer)
                step, product, length = measure(trainer, clock, chosen.steps)
                ratio = step / product
                numbers = f"{step:.1f}, {product:.1f}, {ratio:.2f}, {ratio / seeds:.2f}; {least:.2f}"
                print(f"{preset}, {seeds}, {length:.1f}: {numbers}{told(trainer)}", flush=True)


if __name__ == "__main__":
    main()
