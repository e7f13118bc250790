"""What differs from one step of training to the next, in a few tensors: all else of a step stays where it is."""

from typing import NamedTuple

import torch
from torch import Tensor


class StepInputs(NamedTuple):
    """The inputs of a step."""

    rows: Tensor
    """``[S, B]`` int64: the batch of each seed, as rows of the train part."""
    states: Tensor
    """``[purposes, S]`` int64: where each seed's random numbers for each purpose begin."""
    weights: Tensor
    """``[3 + K]``: the weights of the entropy bonus, then what the optimiser's change needs to know of the step."""

    def to(self, device: torch.device) -> "StepInputs":
        """Return them on a device, which nothing waits for."""
        return StepInputs(*(part.to(device, non_blocking=True) for part in self))

    def pinned(self) -> "StepInputs":
        """Return them in memory that a GPU copies from by itself."""
        return StepInputs(*(part.pin_memory() for part in self))

    def copy_(self, others: "StepInputs") -> None:
        """Put others of the same shapes in their place, which stays where it is."""
        for mine, its in zip(self, others, strict=True):
            mine.copy_(its, non_blocking=True)
