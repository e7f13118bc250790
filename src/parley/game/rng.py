"""Counter-based random numbers that depend only on the seed, the purpose and the step.

There is no generator state that could be lost or shared, so a run that is resumed, or that shares its process with
other runs, gets the same numbers as alone. The numbers are the same on every device.
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
"""Multipliers of its finalizer (Stafford's variant 13)."""


def generator(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """Return a CPU generator whose state is a pure function of its three arguments."""
    return torch.Generator().manual_seed(_key(seed, purpose, step) >> 1)


def permutation(seed: int, purpose: str, step: int, length: int) -> Tensor:
    """Return a random order of ``range(length)``, int64 ``[length]``."""
    return torch.randperm(length, generator=generator(seed, purpose, step))


def uniforms(
    seeds: Sequence[int], purpose: str, step: int, shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> Tensor:
    """Return numbers uniform in [0, 1), float32, ``[S, *shape]``, independent for each seed."""
    return uniforms_from(counter_states(seeds, purpose, step).to(device, non_blocking=True), shape)


def counter_states(seeds: Sequence[int], purpose: str, step: int) -> Tensor:
    """Return the initial state of each seed's numbers for a purpose and step, int64 ``[S]``."""
    return torch.tensor([_signed(_key(seed, purpose, step)) for seed in seeds])


def uniforms_from(states: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the numbers of `uniforms` from states ``[S]``, on their device."""
    words = splitmix64(states, math.prod(shape))
    # The top 24 bits: a float32 can represent that many evenly spaced numbers in [0, 1).
    return _shifted(words, 40).to(torch.float32).mul_(2.0**-24).view(len(states), *shape)


def splitmix64(states: Tensor, count: int) -> Tensor:
    """Return the first `count` words of SplitMix64 from each of the states, int64 ``[S]`` and ``[S, count]``.

    The words are unsigned: int64 stores their bits, and its products wrap around as SplitMix64 needs.
    """
    words = states[:, None] + _counters(count, states.device)
    for shift, factor in ((30, FIRST), (27, SECOND)):
        words.bitwise_xor_(_shifted(words, shift)).mul_(_signed(factor))
    return words.bitwise_xor_(_shifted(words, 31))


def _counters(count: int, device: torch.device) -> Tensor:
    # Not cached on a GPU: memory allocated by a CUDA graph belongs to it, and a graph must not use memory that the
    # cache may free.
    return _cached_counters(count) if device.type == "cpu" else _new_counters(count, device)


@lru_cache(maxsize=8)
def _cached_counters(count: int) -> Tensor:
    return _new_counters(count, torch.device("cpu"))


def _new_counters(count: int, device: torch.device) -> Tensor:
    return torch.arange(1, count + 1, device=device) * _signed(GOLDEN)


def _shifted(words: Tensor, bits: int) -> Tensor:
    """Shift right as unsigned; torch's shift copies the sign."""
    return (words >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _key(seed: int, purpose: str, step: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}/{step}".encode()).digest()[:8], "big")


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
