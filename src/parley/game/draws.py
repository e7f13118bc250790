"""Random numbers that depend on nothing but the seed, the purpose and the step.

A run that is resumed, or that shares its process with others, draws what it would have drawn alone:
there is no generator whose state could be lost or shared.
"""

import hashlib

import torch
from torch import Tensor


def generator(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """Return a CPU generator whose state is a pure function of its three arguments."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def uniforms(seed: int, purpose: str, step: int, shape: tuple[int, ...]) -> Tensor:
    """Return numbers uniform in [0, 1), float32, of the given shape."""
    return torch.rand(shape, generator=generator(seed, purpose, step))


def permutation(seed: int, purpose: str, step: int, length: int) -> Tensor:
    """Return a random order of ``range(length)``, int64 ``[length]``."""
    return torch.randperm(length, generator=generator(seed, purpose, step))
