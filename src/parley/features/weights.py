"""Build a network with published weights, weights from a file, or random weights."""

import difflib
import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import WeightsEnum, get_model, get_model_weights, list_models

from parley.core.checksums import other_digest
from parley.core.errors import ParleyError
from parley.core.tensor_files import CutOffError, load_tensors, misfit, why_unreadable
from parley.dataset.downloads import download as download_file
from parley.features.encoders import NetworkLibrary
from parley.features.options import FeatureOptions, Transform, check_weights, weights_folders

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIX = re.compile(r"^((_orig_mod|module|model|backbone)\.)+")
"""Prefixes that torch.compile, DataParallel and frameworks add to the names of a state dict."""
_HEADS = ("fc", "classifier", "head", "heads")
"""First parts of the names of the parameters of heads in the libraries' networks."""
_INSTALLED_BY = {
    "timm": "`uv sync --extra timm`, or `pip install timm`",
    "open_clip": "`uv sync --extra open-clip`, or `pip install open-clip-torch`",
}
"""How to install the libraries that Parley does not require."""
_VISUAL = "visual."
"""Part of the names of the image network's parameters in the state dict of a whole model of open_clip."""
_MOST_BYTES = 20_000_000_000
# Torchvision warns if these two networks are built with random weights and without `init_weights`.
_INITIALISED_ON_REQUEST = ("googlenet", "inception_v3")


def build_network(options: FeatureOptions, folder: str | Path) -> nn.Module:
    """Build the network with its weights, in evaluation mode, on the CPU.

    Parameters
    ----------
    options
        Name of the network and its weights.
    folder
        Folder with the subfolder ``checkpoints``, to which torchvision's weights are downloaded if missing.

    Raises
    ------
    ParleyError
        If the network or its library is unknown, or its weights are unavailable or do not fit the network.
    """
    path = fetch_weights(options, folder)
    if path is None:
        network = _random_network(options, options.seed)
    elif options.weights_kind == "torchvision":
        with _torchvision_reads_from(path.parent.parent):
            network = get_model(options.backbone, weights=_published(options), progress=False)
    elif options.weights_kind == "hub":
        network = _hub_network(options, path)
    else:
        network = _random_network(options, 0)
        _load_file(network, path, options)
    # An in-place ReLU would overwrite its input, which for a ResNet is the map that is to be extracted.
    for module in network.modules():
        if hasattr(module, "inplace"):
            setattr(module, "inplace", False)  # noqa: B010 - nn.Module types every attribute as a tensor or module
    return network.eval()


def library_of(options: FeatureOptions) -> NetworkLibrary | None:
    """Import the library of a network; return None for torchvision.

    Raises
    ------
    ParleyError
        If the library is not installed.
    """
    library = options.name.library
    if library != "torchvision" and importlib.util.find_spec(library) is None:
        raise ParleyError(
            f"features.backbone is {options.backbone}, but the package {library} is not installed; "
            f"install it ({_INSTALLED_BY[library]})."
        )
    if library == "timm":
        from parley.features import timm_networks

        return timm_networks
    if library == "open_clip":
        from parley.features import open_clip_networks

        return open_clip_networks
    return None


def fetch_weights(
    options: FeatureOptions, folder: str | Path, download: bool = True, allow_private_hosts: bool = False
) -> Path | None:
    """Return the path of the weights file. If it is published and missing, download it.

    Return None for random weights and, if `download` is false, for a missing file. Only with `allow_private_hosts`,
    torchvision's weights may be downloaded from an address that is not public, such as a mirror that the machine's name
    server names. Weights of the Hugging Face Hub are in its own cache.

    Raises
    ------
    ParleyError
        If the network is unknown, or the file is missing and cannot be downloaded, or is not the published one.
    """
    library = library_of(options)
    if library is None:
        _check_backbone(options.backbone)
    else:
        library.check(options.name)
    if options.weights_kind == "random":
        return None
    if options.weights_kind == "file":
        if findings := check_weights(options):
            raise ParleyError(findings)
        return Path(options.weights)
    if library is not None:
        from parley.features import hub

        return hub.fetch(library.hub_file(options.name), options.backbone, download)
    url, name = _published(options).url, published_name(options)
    for directory in weights_folders(folder):
        if (directory / name).is_file():
            return _as_published(directory / name)
    return _downloaded(url, weights_folders(folder)[0] / name, allow_private_hosts) if download else None


def published_name(options: FeatureOptions) -> str:
    """Return the name of the file of weights that torchvision publishes."""
    _check_backbone(options.backbone)
    return str(_published(options).url).rsplit("/", 1)[1]


def hub_source(options: FeatureOptions, path: Path) -> str:
    """Return the name ``<repository>@<revision>/<file>`` of a file of weights in the Hugging Face Hub's cache."""
    from parley.features import hub

    library = library_of(options)
    assert library is not None
    return hub.source_of(path, library.hub_file(options.name).repository)


def published_transform(options: FeatureOptions) -> Transform:
    """Return the transform that the network's library publishes with the weights.

    For random weights and weights from a file, return that of the first weights that the library has for the network.
    """
    library = library_of(options)
    if library is not None:
        library.check(options.name)
        return library.transform(options.name)
    _check_backbone(options.backbone)
    if options.weights_kind == "torchvision":
        weights = _published(options)
    else:
        weights = next(iter(get_model_weights(options.backbone)))
    preset = weights.transforms()
    return Transform(
        resize_px=int(preset.resize_size[0]),
        crop_px=int(preset.crop_size[0]),
        mean=tuple(map(float, preset.mean)),
        sd=tuple(map(float, preset.std)),
        interpolation="bicubic" if preset.interpolation.value == "bicubic" else "bilinear",
    )


def _check_backbone(backbone: str) -> None:
    known = list_models(module=torchvision.models)
    if backbone not in known:
        near = difflib.get_close_matches(backbone, known, n=3)
        raise ParleyError(
            f"features.backbone: torchvision has no classification network {backbone!r}; "
            + (f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known)}.")
        )


def _random_network(options: FeatureOptions, seed: int) -> nn.Module:
    library = library_of(options)
    extra = {"init_weights": True} if options.backbone in _INITIALISED_ON_REQUEST else {}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if library is not None:
            return library.build(options.name)
        network: nn.Module = get_model(options.backbone, weights=None, **extra)
    return network


def _hub_network(options: FeatureOptions, path: Path) -> nn.Module:
    library = library_of(options)
    assert library is not None
    try:
        return library.load(options.name, str(path))
    except Exception as error:  # torch and the libraries raise many types of exceptions for damaged files.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ParleyError(
            f"features.backbone: {path} cannot be loaded as the weights of {options.backbone} ({reason}); "
            "remove it, so that it is downloaded again."
        ) from error


def _load_file(network: nn.Module, path: Path, options: FeatureOptions) -> None:
    """Load a user's state dict into a network."""
    wanted = network.state_dict()
    loaded = _state_of(wanted, _plain_tensors(path))
    if "logits" not in options.layers:
        loaded = _with_head(wanted, loaded)
    if isinstance(loaded, Mapping):
        # Files from before 2018 lack this counter of each batch norm, which evaluation does not use.
        counters = {name: value for name, value in wanted.items() if name.endswith("num_batches_tracked")}
        loaded = {**counters, **loaded}
    if complaint := misfit(wanted, loaded):
        raise ParleyError(
            f"features.weights: {options.weights} does not fit {options.backbone}: {complaint}; "
            "give a state_dict() of this network."
        )
    network.load_state_dict(loaded)


def _published(options: FeatureOptions) -> WeightsEnum:
    known = {weights.name: weights for weights in get_model_weights(options.backbone)}
    if options.weights not in known:
        raise ParleyError(
            f"features.weights: torchvision has no {options.weights} for {options.backbone}; it has {', '.join(known)}."
        )
    return known[options.weights]


@contextmanager
def _torchvision_reads_from(hub: Path) -> Iterator[None]:
    """In the `with` block, torchvision loads weights from `hub`, renames old keys, and refuses files with code."""
    usual, forced = torch.hub.get_dir(), os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    torch.hub.set_dir(str(hub))
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        yield
    finally:
        torch.hub.set_dir(usual)
        if forced is None:
            del os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
        else:
            os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = forced


def _downloaded(url: str, path: Path, allow_private_hosts: bool) -> Path:
    checksum = f"sha256:{_hash_in(path)}*"
    try:
        download_file([url], path, checksum, most_bytes=_MOST_BYTES, allow_private_hosts=allow_private_hosts)
    except ParleyError as error:
        raise ParleyError(
            f"features.weights: {path.name} is not in {path.parent} and cannot be downloaded ({error}); "
            f"get {url} on a machine with a network and put it there, or set features.weights to a path or to random."
        ) from error
    return path


def _as_published(path: Path) -> Path:
    """Check the hash of a weights file against its name, and return its path."""
    if digest := other_digest(path, ("sha256", _hash_in(path))):
        raise ParleyError(
            f"features.weights: {path} is not the file that torchvision published (its SHA-256 begins "
            f"{digest[:8]}); remove it, so that it is downloaded again."
        )
    return path


def _hash_in(path: Path) -> str:
    return path.stem.rsplit("-", 1)[1]


def _plain_tensors(path: Path) -> Any:
    """Load a file of tensors without running any code in it."""
    try:
        return load_tensors(path)
    except CutOffError as error:
        raise ParleyError(
            f"features.weights: {path} cannot be loaded as plain tensors ({error}); copy or download it again."
        ) from error
    except Exception as error:  # torch raises many types of exceptions for damaged files
        raise ParleyError(
            f"features.weights: {path} cannot be loaded as plain tensors ({why_unreadable(error, path)}); "
            "save a network's state_dict() with torch.save, or with safetensors."
        ) from error


def _state_of(wanted: Mapping[str, Tensor], loaded: Any) -> Any:
    """Return the state dict in a training program's file: inside another dictionary, or with longer names."""
    for _ in _WRAPPERS:  # A dictionary may contain itself.
        inner = next((key for key in _WRAPPERS if isinstance(loaded, Mapping) and key in loaded), "")
        loaded = loaded[inner] if inner else loaded
    if not isinstance(loaded, Mapping) or not all(isinstance(name, str) for name in loaded):
        return loaded
    if images := {name.partition(_VISUAL)[2]: value for name, value in loaded.items() if _VISUAL in name}:
        loaded = loaded if wanted.keys() <= loaded.keys() else images
    named = {_PREFIX.sub("", name): value for name, value in loaded.items()}
    if len(wanted.keys() & named.keys()) > len(wanted.keys() & loaded.keys()):
        return named
    return loaded


def _with_head(wanted: Mapping[str, Tensor], loaded: Any) -> Any:
    """Replace a head for other classes, or none, by the network's own, which only affects the logits."""
    if not isinstance(loaded, Mapping):
        return loaded
    own = {name: value for name, value in wanted.items() if name.split(".")[0] in _HEADS}
    fits = all(name in loaded and getattr(loaded[name], "shape", None) == value.shape for name, value in own.items())
    rest = {name: value for name, value in loaded.items() if str(name).split(".")[0] not in _HEADS}
    return loaded if fits or rest.keys() - wanted.keys() else rest | own
