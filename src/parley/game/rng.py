"""Counter-based random numbers, which depend only on a seed, a purpose (a name such as ``shuffle``) and a step.

No generator state is kept between steps. A run that is resumed, or that shares its process with other runs, therefore
gets the same numbers as an uninterrupted run in its own process. The numbers are the same on every device.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15
"""Increment of the counter of SplitMix64 (Steele, Lea and Flood 2014): 2^64 over the golden ratio."""
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Multipliers of SplitMix64's finalizer (Stafford's variant 13)."""


def generator(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """Return a CPU generator whose initial state depends only on seed, purpose and step."""
    return torch.Generator().manual_seed(_key(seed, purpose, step) >> 1)


def permutation(seed: int, purpose: str, step: int, length: int) -> Tensor:
    """Return a random permutation of ``range(length)``, int64 ``[length]``."""
    return torch.randperm(length, generator=generator(seed, purpose, step))


def uniforms(
    seeds: Sequence[int], purpose: str, step: int, shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> Tensor:
    """Return random numbers uniform in [0, 1), float32 ``[S, *shape]``; those of different seeds are independent."""
    return uniforms_from(counter_states(seeds, purpose, step).to(device, non_blocking=True), shape)


def counter_states(seeds: Sequence[int], purpose: str, step: int) -> Tensor:
    """Return the initial SplitMix64 state of each seed for a purpose and a step, int64 ``[S]``."""
    return torch.tensor([_signed(_key(seed, purpose, step)) for seed in seeds])


def uniforms_from(states: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the same numbers as `uniforms`, on the device of `states` ``[S]``, which `counter_states` returns."""
    words = splitmix64(states, math.prod(shape))
    # Only the top 24 bits are used, because float32 can represent 2^24 evenly spaced numbers in [0, 1).
    return _shifted(words, 40).to(torch.float32).mul_(2.0**-24).view(len(states), *shape)


def splitmix64(states: Tensor, count: int) -> Tensor:
    """Return the first `count` 64-bit words that SplitMix64 generates from each state ``[S]``, int64 ``[S, count]``.

    The int64 values store the bits of unsigned words. Products of int64 wrap around, as SplitMix64 requires.
    """
    # Counters on a GPU are not cached: a tensor allocated while a CUDA graph is captured belongs to that graph, and a
    # graph must not use a tensor that the cache may free.
    counters = _cached_counters if states.device.type == "cpu" else _counters
    words = states[:, None] + counters(count, states.device)
    for shift, factor in ((30, FIRST), (27, SECOND)):
        words.bitwise_xor_(_shifted(words, shift)).mul_(_signed(factor))
    return words.bitwise_xor_(_shifted(words, 31))


def _counters(count: int, device: torch.device) -> Tensor:
    return torch.arange(1, count + 1, device=device) * _signed(GOLDEN)


_cached_counters = lru_cache(maxsize=8)(_counters)


def _shifted(words: Tensor, bits: int) -> Tensor:
    """Shift words right as unsigned integers; torch's own right shift copies the sign bit."""
    return (words >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _key(seed: int, purpose: str, step: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}/{step}".encode()).digest()[:8], "big")


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
