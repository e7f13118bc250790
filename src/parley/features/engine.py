"""How a network's arithmetic is run: the same numbers up to rounding, at different speeds."""

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
# Compiling takes the time in which the fused network sees about so many images (docs/performance.md).
WORTH_COMPILING = 10_000
_COMPILERS = ("g++", "clang++", "c++")

Run = Callable[[Tensor], dict[str, Tensor]]
"""From ``[N, 3, h, w]``, channels-last, to the values of each node asked for."""


def ready_network(extractor: GraphModule, engine: str, images: int, device: torch.device) -> Run:
    """Make a network ready to be run, channels-last.

    Parameters
    ----------
    extractor
        In evaluation mode, on the device; gives a dictionary of tensors.
    engine
        ``eager``: as torchvision has it. ``fused``: each batch norm folded into the convolution
        before it. ``compiled``: by `torch.compile`, which needs a C++ compiler. ``auto``: compiled
        where it is worth it, else fused; on a GPU eager, which no measurement speaks against.
    images
        How many images will go through, for ``auto``.
    device
        Where it runs.

    Raises
    ------
    ParleyError
        When the engine is none, or asked to compile and cannot.
    """
    if engine not in ENGINES:
        raise ParleyError(f"features.engine is {engine!r}; it must be one of {', '.join(ENGINES)}.")
    if engine == "auto":
        engine = _chosen(images, device)
        logger.info("the network is run %s", engine)
    network: Any = extractor.to(memory_format=torch.channels_last)
    if engine == "eager":
        eager: Run = network
        return eager
    if engine == "fused":
        fused: Run = _fused(network)
        return fused
    if device.type == "cpu" and not _has_compiler():
        raise ParleyError(
            "features.engine is compiled, but there is no C++ compiler here (g++ or clang++); install one, or use auto."
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
    """Fold batch norms into the convolutions before them; what has none comes back as it is."""
    # Torchvision's extractor has a graph for training too, and forgets in a copy which of them is on.
    plain = GraphModule(network, network.graph).eval()
    return fuse(plain).eval().to(memory_format=torch.channels_last)
