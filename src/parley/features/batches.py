"""Choose the batch size on a GPU: the largest one that fits and still increases throughput."""

import time
from collections.abc import Callable

import torch

_FIRST, _MOST = 32, 2048
_GAIN = 1.05  # A smaller speed-up is not worth twice the memory.


def largest_useful_batch(see: Callable[[int], None], images: int) -> int:
    """Double the batch size while throughput increases and memory suffices.

    Parameters
    ----------
    see
        Processes the given number of blank images and waits for the results.
    images
        Number of images; the batch is not much larger.
    """
    best, best_rate = _FIRST, 0.0
    size = _FIRST
    while size <= _MOST and size < 2 * max(images, _FIRST):
        try:
            see(size)  # Warm-up: selects kernels and allocates memory.
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
