"""Helpers shared by the GPU tests."""

import torch
from easy_trainers import SEEDS, rows

STEPS = 20
SCHEDULES = {
    "steps": STEPS,
    "learning_rate_schedule": "cosine",
    "entropy_schedule": "linear",
    "entropy_final": 0.2,
    "feature_dropout": 0.1,
}
NO_GRAPH = "CUDA graphs are not used"
"""Start of the log line that says why steps do not use a CUDA graph."""


def batch(step, seeds=SEEDS):
    return torch.stack([rows(seed, step) for seed in seeds])


def same_bits(one, other):
    """Assert that tensors are equal to the bit; a failure reports the differences."""
    torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def weights_of(trainer):
    return trainer.optimiser.flat.detach().clone()


def graphed(trainer):
    """Whether the trainer replays a CUDA graph."""
    return trainer.graphed_step is not None and trainer.graphed_step.graph is not None
