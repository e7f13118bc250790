"""Engines that run a network: eager, fused or compiled, with equal results up to rounding."""

import logging
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.optimization import fuse

from parley.core.errors import ParleyError

logger = logging.getLogger(__name__)
ENGINES = ("auto", "eager", "fused", "compiled")
# Compilation takes about as long as processing this many images with the fused network (docs/performance.md).
WORTH_COMPILING = 10_000
_COMPILERS = ("g++", "clang++", "c++")

Run = Callable[[Tensor], dict[str, Tensor]]
"""Maps ``[N, 3, h, w]``, channels-last, to the value of each requested node."""


def ready_network(extractor: GraphModule, engine: str, images: int, device: torch.device) -> Run:
    """Prepare a network with an engine, channels-last.

    Parameters
    ----------
    extractor
        In evaluation mode, on the device; returns a dictionary of tensors.
    engine
        ``eager``: torchvision's network unchanged. ``fused``: each batch norm folded into the preceding
        convolution. ``compiled``: fused and `torch.compile`, which needs a C++ compiler. ``auto``: on a GPU eager;
        on a CPU compiled if there are enough images, else fused.
    images
        Number of images to process, for ``auto``.
    device
        Where it runs.

    Raises
    ------
    ParleyError
        If the engine is unknown, or compiled without a compiler.
    """
    if engine not in ENGINES:
        raise ParleyError(f"features.engine is {engine!r}; it must be one of {', '.join(ENGINES)}.")
    if engine == "auto":
        engine = _chosen(images, device)
        logger.info("Engine: %s", engine)
    network: Any = extractor.to(memory_format=torch.channels_last)
    if engine == "eager":
        eager: Run = network
        return eager
    if engine == "fused":
        fused: Run = _fused(network)
        return fused
    if device.type == "cpu" and not _has_compiler():
        raise ParleyError(
            "features.engine is compiled, but no C++ compiler was found (g++ or clang++); install one, or use auto."
        )
    compiled: Run = torch.compile(_fused(network))
    return compiled


def _chosen(images: int, device: torch.device) -> str:
    if device.type != "cpu":
        return "eager"
    return "compiled" if images >= WORTH_COMPILING and _has_compiler() else "fused"


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in _COMPILERS)


def _fused(network: GraphModule) -> Any:
    """Fold batch norms into the preceding convolutions; other networks are returned unchanged."""
    # Torchvision's extractor also has a training graph, and a copy loses track of which graph is active.
    plain = GraphModule(network, network.graph).eval()
    return fuse(plain).eval().to(memory_format=torch.channels_last)
