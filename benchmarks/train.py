"""Milliseconds of a training step, beside a 1024 x 1024 float32 product timed in the same run.

The setting is fixed: 64 images a batch, 42 descriptions, 512-d features, 32 bits, 10 exchanges, hidden
layers of 256, 64 and 500, made-up data. One thread, as the workflow's training jobs.

    uv run python benchmarks/train.py [preset ...]
"""

import statistics
import sys
import time

import torch

from parley.game.payloads import Descriptions, Images
from parley.game.settings import GameSettings, TrainingSettings
from parley.parts import Candidates, Part
from parley.training import Trainer, prepare

STEPS, WARM_UP, CLASSES, IMAGES = 60, 10, 42, 42 * 24


def product_ms() -> float:
    a, b = torch.randn(2, 1024, 1024)
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        a @ b
        taken.append(time.perf_counter() - started)
    return 1e3 * statistics.median(taken)


def step_ms(preset: str) -> float:
    game = GameSettings(preset=preset)
    targets = torch.arange(IMAGES) % CLASSES
    images = (
        Images(torch.randn(IMAGES, 64, 512), torch.randn(IMAGES, 1000))
        if game.visual_attention
        else Images(torch.randn(IMAGES, 512))
    )
    part = Part(images, targets, [str(row) for row in range(IMAGES)])
    candidates = Candidates([str(label) for label in range(CLASSES)], Descriptions(torch.randn(CLASSES, 100)))
    trainer = Trainer(prepare(part, part, candidates, game), game, TrainingSettings(), seed=1)
    taken = []
    for step in range(STEPS):
        rows = torch.randperm(IMAGES)[:64]
        started = time.perf_counter()
        trainer.learn(step, rows)
        taken.append(time.perf_counter() - started)
    return 1e3 * statistics.median(taken[WARM_UP:])


torch.set_num_threads(1)
for preset in sys.argv[1:] or ["Fixed", "Adaptive"]:
    step, product = step_ms(preset), product_ms()
    print(f"{preset}: {step:.1f} ms a step, {product:.1f} ms a product, {step / product:.2f} products a step")
