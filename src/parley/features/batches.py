"""How many images a GPU is given at once: as many as make it faster, and fit."""

import time
from collections.abc import Callable

import torch

_FIRST, _MOST = 32, 2048
_GAIN = 1.05  # Below it, twice the memory is no longer worth it.


def largest_useful_batch(see: Callable[[int], None], images: int) -> int:
    """Double the batch for as long as it makes images pass faster and fits into memory.

    Parameters
    ----------
    see
        Sends so many blank images through the network and waits for them.
    images
        How many there are; no batch is much larger.
    """
    best, best_rate = _FIRST, 0.0
    size = _FIRST
    while size <= _MOST and size < 2 * max(images, _FIRST):
        try:
            see(size)  # The first time, kernels are chosen and memory is taken.
            started = time.perf_counter()
            see(size)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
        rate = size / (time.perf_counter() - started)
        if rate < _GAIN * best_rate:
            break
        best, best_rate = size, rate
        size *= 2
    return best
