"""Compute features of images (pooled vector, feature map and logits) with a network."""

import json
import logging
import shutil
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.fx.experimental.optimization import fuse
from torchvision.models import ResNet
from torchvision.models.feature_extraction import create_feature_extractor

import parley
from parley.core.errors import ParleyError
from parley.core.tensor_files import parameters_sha256
from parley.features.encoders import stored_roles
from parley.features.layers import Layer, find_layers
from parley.features.options import FeatureOptions, Role, Transform, weights_file_sha256
from parley.features.weights import (
    build_network,
    fetch_weights,
    hub_source,
    library_of,
    published_transform,
)

logger = logging.getLogger(__name__)
ENGINES = ("auto", "eager", "fused", "compiled")
# Compiling takes about as long as the fused network takes for this number of images (docs/development/performance.md).
COMPILED_FROM = 10_000
_COMPILERS = ("g++", "clang++", "c++")
_DISTRIBUTIONS = {"timm": "timm", "open_clip": "open-clip-torch"}

Run = Callable[[Tensor], dict[str, Tensor]]
"""Function that maps images ``[N, 3, h, w]``, in channels-last format, to the outputs of graph nodes by node name."""
_SMALLEST_BATCH, _LARGEST_BATCH = 32, 2048
_MIN_SPEEDUP = 1.05  # If doubling the batch size brings a smaller speed-up, it is not worth the memory.
DEVICES = ("auto", "cpu", "cuda")
CPU_BATCH_SIZE = 32


def ready_network(extractor: nn.Module, engine: str, images: int, device: torch.device) -> Run:
    """Return a function that runs a network with the given engine. The network becomes channels-last.

    ``eager`` leaves the network unchanged. ``fused`` folds each batch norm into the preceding convolution, if the
    network is a graph, as those of torchvision are here; the others are unchanged, which is logged.
    ``compiled`` also applies `torch.compile`, which needs a C++ compiler on a CPU. ``auto`` selects ``eager`` on a GPU.
    On a CPU, it selects ``compiled`` if there is a compiler and at least `COMPILED_FROM` images, otherwise ``fused``.

    Raises
    ------
    ParleyError
        If the engine is unknown, or if it is ``compiled`` on a CPU and there is no C++ compiler.
    """
    if engine not in ENGINES:
        raise ParleyError(f"features.engine is {engine!r}; it must be one of {', '.join(ENGINES)}.")
    if engine == "auto":
        compiles = images >= COMPILED_FROM and _has_compiler()
        engine = "eager" if device.type != "cpu" else "compiled" if compiles else "fused"
    is_graph = isinstance(extractor, GraphModule)
    if engine == "fused" and not is_graph:
        logger.info("Batch norms are folded only in torchvision's networks; the engine is eager")
        engine = "eager"
    logger.info("Engine: %s", engine)
    if engine == "compiled" and device.type == "cpu" and not _has_compiler():
        raise ParleyError(
            "features.engine is compiled, but no C++ compiler was found (g++ or clang++); install one, or use auto."
        )
    network: Any = extractor.to(memory_format=torch.channels_last)
    run: Run = _fused(network) if engine != "eager" and is_graph else network
    return torch.compile(run) if engine == "compiled" else run


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in _COMPILERS)


def _fused(network: GraphModule) -> Any:
    """Fold each batch norm into the preceding convolution; other modules are unchanged."""
    # torchvision's extractor has a graph for training and one for evaluation. `fuse` copies its input, and the copy may
    # use the graph for training, so a plain module is made that has only the graph for evaluation.
    plain = GraphModule(network, network.graph).eval()
    return fuse(plain).eval().to(memory_format=torch.channels_last)


def largest_useful_batch(run_blank: Callable[[int], None], images: int) -> int:
    """Double the batch size as long as this increases throughput and memory suffices; return the last useful size.

    No size of at least twice the number of `images` is tried. `run_blank` processes a given number of blank images and
    waits for the results.
    """
    best, best_rate = _SMALLEST_BATCH, 0.0
    size = _SMALLEST_BATCH
    while size <= _LARGEST_BATCH and size < 2 * max(images, _SMALLEST_BATCH):
        try:
            run_blank(size)  # Warm-up run, which selects kernels and allocates memory.
            started = time.perf_counter()
            run_blank(size)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
        rate = size / (time.perf_counter() - started)
        if rate < _MIN_SPEEDUP * best_rate:
            break
        best, best_rate = size, rate
        size *= 2
    return best


class Backbone:
    """A network in evaluation mode, and the layers whose outputs are stored as features.

    Attributes
    ----------
    transform
        Conversion of an image to the network's input.
    layers
        Layer by role (``pooled``, ``map`` or ``logits``), for the roles in the options.
    attributes
        HDF5 attributes of the feature files. They describe the network, preprocessing and package versions.
    """

    def __init__(self, network: nn.Module, options: FeatureOptions, transform: Transform, device: torch.device) -> None:
        if transform.pooled_cells is not None:
            _pool_corner(network, transform.pooled_cells)
        self.transform, self.device = transform, device
        self._extractor: nn.Module
        self.layers: dict[Role, Layer]
        if (library := library_of(options)) is None:
            found = find_layers(network, transform.crop_px)
            self.layers = {role: found[role] for role in options.layers}
            nodes = {layer.node: layer.node for layer in self.layers.values()}
            self._extractor = create_feature_extractor(network, return_nodes=nodes, suppress_diff_warning=True)
        else:
            encoder = library.encoder(network, transform.crop_px)
            found = encoder.layers(transform.crop_px)
            encoder.roles = stored_roles(options.layers, found, options.backbone)
            self.layers = {role: found[role] for role in encoder.roles}
            self._extractor = encoder
        self.attributes = _attributes(network, options, transform, self.layers)
        self._extractor.eval().to(device)
        self._autocast = None if options.autocast == "none" else getattr(torch, options.autocast)
        self._mean, self._sd = (
            torch.tensor(values, device=device).reshape(1, 3, 1, 1) for values in (transform.mean, transform.sd)
        )
        self.batch_size = CPU_BATCH_SIZE
        self._run: Run = self._extractor

    def prepare(self, engine: str = "eager", images: int = 0, batch_size: int | None = None) -> None:
        """Set the engine (see `ready_network`) and the batch size. If `batch_size` is None, a GPU finds it by trial."""
        self._run = ready_network(self._extractor, engine, images, self.device)
        if batch_size is not None:
            self.batch_size = batch_size
        elif self.device.type == "cuda":
            self.batch_size = largest_useful_batch(self._forward_blank, images)
            logger.info("Batch size: %d images", self.batch_size)

    @torch.inference_mode()
    def features(self, pixels: Tensor) -> dict[Role, Tensor]:
        """Return the features of N images by role (``pooled``, ``map`` or ``logits``).

        The batch is padded with blank images to `batch_size`, so that an image's features do not depend on N and a
        compiled network is compiled only once.

        Parameters
        ----------
        pixels
            Images, uint8 ``[N, 3, crop_px, crop_px]``; N is at most `batch_size`. Channels-last format is fastest.

        Returns
        -------
        dict
            float32 tensors on the CPU: ``[N, C]`` for ``pooled`` and ``logits``, ``[N, C, h, w]`` for ``map``.
        """
        blank = self.batch_size - len(pixels)
        filled = torch.cat([pixels, pixels.new_zeros(blank, *pixels.shape[1:])]) if blank else pixels
        values = self._forward(filled)
        return {role: layer.of(values[layer.node][: len(pixels)]).float().cpu() for role, layer in self.layers.items()}

    def _forward(self, pixels: Tensor) -> dict[str, Tensor]:
        if self.device.type == "cuda":  # Pinned memory allows an asynchronous copy.
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        return self._compute(pixels)

    def _compute(self, pixels: Tensor) -> dict[str, Tensor]:
        """Standardise pixels on the network's device, and run the network."""
        values = pixels.to(torch.float32, memory_format=torch.channels_last)
        # By default, cuDNN computes in TF32 (10-bit mantissa), and its results would differ too much from a CPU's.
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with exact, torch.autocast(self.device.type, self._autocast, enabled=self._autocast is not None):
            return self._run(values.div_(255).sub_(self._mean).div_(self._sd))

    @torch.inference_mode()
    def _forward_blank(self, images: int) -> None:
        """Process blank images and wait for the results."""
        side = self.transform.crop_px
        values = self._forward(torch.zeros(images, 3, side, side, dtype=torch.uint8))
        for value in values.values():
            value.sum().item()


def load_backbone(options: FeatureOptions, weights_folder: str | Path, device: str = "auto") -> Backbone:
    """Load a network with its weights and find its layers.

    Parameters
    ----------
    options
        Network, weights, preprocessing and layers.
    weights_folder
        Folder for the weights that torchvision publishes (see `parley.features.weights.build_network`).
    device
        ``cpu``, ``cuda``, or ``auto``: the GPU if there is one, otherwise the CPU.

    Raises
    ------
    ParleyError
        If the network, weights, image size or device is invalid or unavailable.
    """
    transform = options.transform or published_transform(options)
    network = build_network(options, weights_folder)
    backbone = Backbone(network, options, transform, _device(device))
    weights_file = fetch_weights(options, weights_folder)
    if weights_file is not None:
        backbone.attributes["weights_file_sha256"] = weights_file_sha256(weights_file)
        if options.weights_kind == "hub":
            backbone.attributes["weights_source"] = hub_source(options, weights_file)
    return backbone


def _device(name: str) -> torch.device:
    if name not in DEVICES:
        raise ParleyError(f"The device is {name!r}; it must be one of {', '.join(DEVICES)}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise ParleyError("The device is cuda, but torch finds no GPU; use cpu or auto.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _pool_corner(network: nn.Module, cells: int) -> None:
    """Make a ResNet pool only the top-left `cells` × `cells` of its map, as torchvision did in 2017 for 227 px."""
    if not isinstance(network, ResNet):
        raise ParleyError("features.preprocessing: pooled_cells is for ResNets, whose pooling is a mean over cells.")
    # The stride is larger than any map, so that pooling has only one window, at the top left.
    network.avgpool = nn.AvgPool2d(cells, stride=1 << 16)


def _attributes(
    network: nn.Module, options: FeatureOptions, transform: Transform, layers: dict[Role, Layer]
) -> dict[str, str]:
    names = {
        "random": f"random, seed {options.seed}",
        "file": Path(options.weights).name,
    }
    library = options.name.library
    return {
        "backbone": options.backbone,
        "weights": names.get(options.weights_kind, options.weights),
        "weights_sha256": parameters_sha256(network),
        "preprocessing": json.dumps({"rule": options.rule, **transform.described()}),
        "map_dtype": options.map_dtype,
        "autocast": options.autocast,
        **{role: layer.name for role, layer in layers.items()},
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
        **({} if library == "torchvision" else {library: version(_DISTRIBUTIONS[library])}),
        "parley": parley.__version__,
    }
