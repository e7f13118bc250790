"""A baseline that forgets: an exponential moving average of the mean rewards of earlier batches."""

import torch

from parley.game import Baseline
from parley.plugins import baseline


@baseline("recent_mean", decay=0.9)
class RecentMean(Baseline):
    """Predicts the mean reward of recent batches."""

    def __init__(self, setup):
        super().__init__(setup)
        self.register_buffer("mean", torch.zeros(len(setup.seeds)))  # Checkpoints keep buffers.

    def predict(self, inputs, reward, packed):
        return self.mean[:, None].expand_as(reward)

    def update(self, reward, packed):
        of_batch = (reward * packed.mask).sum(1) / packed.mask.sum(1)
        self.mean = self.options["decay"] * self.mean + (1 - self.options["decay"]) * of_batch
