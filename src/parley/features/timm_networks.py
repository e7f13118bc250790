"""The networks of timm as backbones: their weights, preprocessing and layers."""

import difflib
import math
from typing import Any, ClassVar

import timm
import torch
from timm.data import resolve_data_config
from torch import Tensor, nn

from parley.core.errors import ParleyError
from parley.features.encoders import Encoder, HubFile
from parley.features.options import BackboneName, Role, Transform

# timm's name for the edge that the resizing sets, and Parley's.
_RESIZED = {"center": "shortest", "squash": "squash", "border": "longest"}


def check(name: BackboneName) -> None:
    """Raise `ParleyError` if timm has no such network or weights."""
    if not timm.is_model(name.network):
        near = difflib.get_close_matches(name.network, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`timm.list_models()` returns their names."
        raise ParleyError(f"features.backbone: timm has no network {name.network!r}; {hint}")
    tags = _tags(name.network)
    if name.tag and name.tag not in tags:
        raise ParleyError(
            f"features.backbone: timm has no weights {name.tag!r} for {name.network}; "
            + (f"it has {', '.join(tags)}." if tags else "set features.weights to a path or to random.")
        )


def transform(name: BackboneName) -> Transform:
    """Return timm's preprocessing of the named weights, or of the network's first ones if none are named.

    Raises
    ------
    ParleyError
        If the network's images are not square, or its resizing is of another kind.
    """
    config = resolve_data_config(pretrained_cfg=_config(name))
    _, height, width = config["input_size"]
    mean, sd = (tuple(map(float, config[key])) for key in ("mean", "std"))
    resized = _RESIZED.get(config["crop_mode"] or "center")
    if height != width or resized is None or config["interpolation"] not in ("bilinear", "bicubic"):
        raise ParleyError(
            f"features.preprocessing: timm's preprocessing for {name.network} ({config}) is none that Parley can do; "
            "set features.preprocessing to custom, or choose another network."
        )
    return Transform(
        resize_px=math.floor(height / config["crop_pct"]),
        crop_px=height,
        mean=mean,
        sd=sd,
        interpolation=config["interpolation"],
        resized=resized,
        fill=tuple(round(255 * value) for value in mean) if resized == "longest" else (0, 0, 0),
    )


def hub_file(name: BackboneName) -> HubFile:
    """Return where the named weights are on the Hugging Face Hub."""
    config = timm.get_pretrained_cfg(f"{name.network}.{name.tag}")
    if not config.hf_hub_id:
        raise ParleyError(
            f"features.backbone: the weights {name.tag} of {name.network} are not on the Hugging Face Hub; download "
            f"{config.url}, set features.weights to its path, and features.backbone to timm/{name.network}."
        )
    names = (config.hf_hub_filename,) if config.hf_hub_filename else ("model.safetensors", "pytorch_model.bin")
    return HubFile(config.hf_hub_id, names)


def build(name: BackboneName) -> nn.Module:
    """Build the network with random weights, drawn from torch's default generator."""
    network: nn.Module = timm.create_model(name.network, pretrained=False)
    return network


def load(name: BackboneName, path: str) -> nn.Module:
    """Build the network with the named weights, which have been downloaded to `path`.

    timm adapts the names of older files. No code in the file is run.
    """
    # `custom_load` is for the original files, of other frameworks, not for those on the hub.
    at = {"file": path, "custom_load": False}
    network: nn.Module = timm.create_model(f"{name.network}.{name.tag}", pretrained=True, pretrained_cfg_overlay=at)
    return network


def encoder(network: nn.Module, size_px: int) -> Encoder:
    """Return the network as a function from images of the given height and width to features."""
    return TimmEncoder(network, size_px)


class TimmEncoder(Encoder):
    """A network of timm.

    The map is the output of its `forward_features`, without class and register tokens; the pooled vector that of
    `forward_head` with ``pre_logits=True``; and the logits are the network's output, if it has a classifier.
    """

    names: ClassVar = {"pooled": "pre_logits", "map": "features", "logits": "classifier"}

    def __init__(self, network: Any, size_px: int) -> None:
        super().__init__()
        self.network = network
        self._is_channels_last = str(getattr(network, "output_fmt", "NCHW")) == "NHWC"
        self._has_classifier = bool(network.num_classes)
        self._grid = _grid(network, size_px)

    def forward(self, images: Tensor) -> dict[Role, Tensor]:
        """Return the features of N images by role, ``[N, C]``, or ``[N, C, h, w]`` for the map."""
        features = self.network.forward_features(images)
        found: dict[Role, Tensor] = {}
        if "pooled" in self.roles:
            found["pooled"] = self.network.forward_head(features, pre_logits=True)
        if "map" in self.roles and self._grid is not None:
            found["map"] = self._map(features, *self._grid)
        if "logits" in self.roles and self._has_classifier:
            found["logits"] = self.network.forward_head(features)
        return found

    def _map(self, features: Tensor, height: int, width: int) -> Tensor:
        if features.ndim == 4:
            return features.permute(0, 3, 1, 2) if self._is_channels_last else features
        # [N, prefix + hw, C] → [N, C, hw] → [N, C, h, w]
        cells = features[:, features.shape[1] - height * width :].transpose(1, 2)
        return cells.reshape(len(features), features.shape[2], height, width)


def _grid(network: Any, size_px: int) -> tuple[int, int] | None:
    """Return the height and width of the map in cells; None if the network has no map of more than one cell."""
    blank = torch.zeros(1, 3, size_px, size_px)
    try:
        with torch.inference_mode():
            features = network.eval().forward_features(blank)
    except (AssertionError, RuntimeError, ValueError):
        return None  # `Encoder.layers` reports it.
    if not isinstance(features, Tensor) or features.ndim not in (3, 4):
        raise ParleyError(
            f"features.backbone: timm's {type(network).__name__} returns features of a kind that Parley cannot store; "
            "choose another network."
        )
    if features.ndim == 4:
        is_last = str(getattr(network, "output_fmt", "NCHW")) == "NHWC"
        height, width = features.shape[1:3] if is_last else features.shape[2:]
    else:
        side = math.isqrt(features.shape[1] - int(getattr(network, "num_prefix_tokens", 0)))
        height, width = side, side
        if side * side + int(getattr(network, "num_prefix_tokens", 0)) != features.shape[1]:
            return None
    return (int(height), int(width)) if height * width > 1 else None


def _tags(network: str) -> list[str]:
    """Return the names of a network's weights, timm's default first."""
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{network}.*")]
    default = timm.get_pretrained_cfg(network)
    first = default.tag if default is not None else ""
    return sorted(tags, key=lambda tag: tag != first)


def _config(name: BackboneName) -> dict[str, Any]:
    found = timm.get_pretrained_cfg(f"{name.network}.{name.tag}" if name.tag else name.network)
    return {} if found is None else dict(found.to_dict())
