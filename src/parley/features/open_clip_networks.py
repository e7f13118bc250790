"""The image networks of open_clip as backbones: their weights, preprocessing and layers."""

import difflib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar

import open_clip
from open_clip.transform import PreprocessCfg, merge_preprocess_dict
from torch import Tensor, nn

from parley.core.errors import ParleyError
from parley.features.encoders import Encoder, HubFile
from parley.features.options import BackboneName, Role, Transform

_OLD_NAME, _NEW_NAME = "open_clip_pytorch_model.bin", "open_clip_model.safetensors"


def check(name: BackboneName) -> None:
    """Raise `ParleyError` if open_clip has no such network or weights, or if they need another activation function."""
    known = open_clip.list_models()
    if name.network not in known:
        near = difflib.get_close_matches(name.network, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known)}."
        raise ParleyError(f"features.backbone: open_clip has no network {name.network!r}; {hint}")
    tags = open_clip.list_pretrained_tags_by_model(name.network)
    if name.tag and name.tag not in tags:
        raise ParleyError(
            f"features.backbone: open_clip has no weights {name.tag!r} for {name.network}; "
            + (f"it has {', '.join(tags)}." if tags else "set features.weights to a path or to random.")
        )
    quick = f"{name.network}-quickgelu"
    if name.tag and _published(name).get("quick_gelu") and not _config(name).get("quick_gelu") and quick in known:
        raise ParleyError(
            f"features.backbone: the weights {name.tag} were trained with the activation function QuickGELU, which "
            f"{name.network} lacks; write open_clip/{quick}:{name.tag}."
        )


def transform(name: BackboneName) -> Transform:
    """Return open_clip's preprocessing of the named weights, or of the network's first ones if none are named."""
    tags = [name.tag] if name.tag else open_clip.list_pretrained_tags_by_model(name.network)[:1]
    values = asdict(PreprocessCfg())
    for tag in tags:
        values = merge_preprocess_dict(values, _published(name._replace(tag=tag)))
    size_px = int(_config(name)["vision_cfg"]["image_size"])
    mean, sd = (tuple(map(float, values[key])) for key in ("mean", "std"))
    fill = (int(values["fill_color"]),) * 3
    return Transform(size_px, size_px, mean, sd, values["interpolation"], None, values["resize_mode"], fill)


def hub_file(name: BackboneName) -> HubFile:
    """Return where the named weights are on the Hugging Face Hub."""
    place = _published(name).get("hf_hub", "")
    if not place:
        raise ParleyError(
            f"features.backbone: the weights {name.tag} of {name.network} are not on the Hugging Face Hub; download "
            "them, set features.weights to their path, and features.backbone to "
            f"open_clip/{name.network}."
        )
    repository, _, file = place.rpartition("/")
    if not file:
        return HubFile(repository, (_NEW_NAME, _OLD_NAME))
    stem, _, suffix = file.rpartition(".")
    return HubFile(repository, (f"{stem}.safetensors", file) if suffix in ("bin", "pth") else (file,))


def build(name: BackboneName) -> nn.Module:
    """Build the network with random weights, drawn from torch's default generator."""
    network: nn.Module = _built(name).visual
    return network


def load(name: BackboneName, path: str) -> nn.Module:
    """Build the network with the named weights, which have been downloaded to `path`.

    open_clip adapts the names of older files. No code in the file is run.
    """
    model = _built(name)
    with _silent():
        open_clip.load_checkpoint(model, path)
    network: nn.Module = model.visual
    return network


def encoder(network: nn.Module, size_px: int) -> Encoder:
    """Return the network as a function from images to features. Their size, `size_px`, is the network's own."""
    return OpenClipEncoder(network)


class OpenClipEncoder(Encoder):
    """The image network of a model of open_clip.

    The pooled vector is the image's embedding, not normalised, as `encode_image` returns it. The map is the output of
    the last block: of a vision transformer, its patch tokens after the last layer norm; of a ResNet, its `layer4`.
    There are no logits.
    """

    names: ClassVar = {"pooled": "embedding", "map": "features"}

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        # The last layer norm of a network with attentional pooling is for the pooled vectors.
        self._is_normalised = getattr(network, "attn_pool", None) is None

    def forward(self, images: Tensor) -> dict[Role, Tensor]:
        """Return the features of N images by role, ``[N, C]``, or ``[N, C, h, w]`` for the map."""
        values = self.network.forward_intermediates(
            images, indices=1, normalize_intermediates=self._is_normalised, output_fmt="NCHW"
        )
        (cells,) = values["image_intermediates"]
        found: dict[Role, Tensor] = {"pooled": values["image_features"]}
        if cells.shape[2] * cells.shape[3] > 1:
            found["map"] = cells
        return {role: value for role, value in found.items() if role in self.roles}


def _built(name: BackboneName) -> Any:
    """Build the whole model, with its text network, without weights."""
    try:
        with _silent():
            return open_clip.create_model(name.network, pretrained_text=False)
    except Exception as error:  # Text networks of other packages raise many types.
        raise ParleyError(
            f"features.backbone: open_clip cannot build {name.network} ({str(error).strip().splitlines()[0]}); "
            "choose another network."
        ) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Drop records of the root logger, to which open_clip writes that no weights are loaded, which is intended."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)  # Without a handler, the root logger would get one that prints.
    root.addFilter(_dropped)
    try:
        yield
    finally:
        root.removeFilter(_dropped)
        root.removeHandler(handler)


def _dropped(record: logging.LogRecord) -> bool:
    return False


def _config(name: BackboneName) -> dict[str, Any]:
    return dict(open_clip.get_model_config(name.network))


def _published(name: BackboneName) -> dict[str, Any]:
    return dict(open_clip.get_pretrained_cfg(name.network, name.tag))
