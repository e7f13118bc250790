"""Settings that determine the content of a feature file, and their identifier. Does not import torch."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from parley.core.errors import Findings, ParleyError
from parley.core.files import digest_of, expand_home, sha256_of

Role = Literal["pooled", "map", "logits"]
ROLES: tuple[Role, ...] = get_args(Role)
MAP_DTYPES = ("float32", "float16")
AUTOCASTS = ("none", "bfloat16", "float16")
RANDOM = "random"
CORRECTED, ORIGINAL, CUSTOM = "corrected", "original", "custom"
DEFAULT_WEIGHTS = "IMAGENET1K_V1"
_TORCHVISION_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
Library = Literal["torchvision", "timm", "open_clip"]
# Names of networks, followed by the tag of their weights, as each library writes them.
_BACKBONE_NAMES: dict[Library, re.Pattern[str]] = {
    "torchvision": re.compile(r"(?P<network>[a-z][a-z0-9_]*)(?P<tag>)"),
    "timm": re.compile(r"timm/(?P<network>[a-z][a-z0-9_]*)([.](?P<tag>[A-Za-z0-9_]+))?"),
    "open_clip": re.compile(r"open_clip/(?P<network>[A-Za-z0-9][A-Za-z0-9_.-]*)(:(?P<tag>[A-Za-z0-9_.-]+))?"),
}
_TAGS_SHOWN_BY = {
    "timm": "import timm; print(timm.list_pretrained('{network}.*'))",
    "open_clip": "import open_clip; print(open_clip.list_pretrained_tags_by_model('{network}'))",
}
# Names of the networks that torchvision builds with its ResNet class.
_RESNET = re.compile(r"(wide_)?resne(x)?t\d.*")
# Must be increased if a code change alters the content of feature files, so that old files are not reused.
CONTENT_VERSION = 2


class BackboneName(NamedTuple):
    """The parts of `features.backbone`."""

    library: Library
    network: str  # the library's name for the network
    tag: str  # the library's name for the weights; empty if `features.weights` gives them


def parse_backbone(backbone: str) -> BackboneName | None:
    """Split the name of a backbone into its parts; return None if no library has such names."""
    for library, pattern in _BACKBONE_NAMES.items():
        if found := pattern.fullmatch(backbone):
            return BackboneName(library, found["network"], found["tag"] or "")
    return None


@dataclass(frozen=True, slots=True)
class Transform:
    """Conversion of an image to the network's input.

    The shorter side is resized to `resize_px` (``bilinear`` or ``bicubic``, antialiased), the central square of
    `crop_px` is cropped, values are scaled to [0, 1], and each channel (R, G, B) is standardised: `(x − mean) / sd`.

    Attributes
    ----------
    resized
        The side that has `resize_px` after resizing: ``shortest``, or ``longest``, or with ``squash`` both, which
        changes the aspect ratio. With ``longest``, what the crop lacks is filled with `fill` (R, G, B).
    pooled_cells
        If set, the pooled vector of a ResNet is the mean over only the top-left `pooled_cells` × `pooled_cells` cells
        of its last map. None means all cells.
    """

    resize_px: int
    crop_px: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    interpolation: str = "bilinear"
    pooled_cells: int | None = None
    resized: str = "shortest"
    fill: tuple[int, ...] = (0, 0, 0)

    def described(self) -> dict[str, Any]:
        """Return the attributes by name, without those of other libraries than torchvision that have their default."""
        values = asdict(self)
        if self.resized == "shortest":
            del values["resized"], values["fill"]
        return values


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """A network, its weights, its preprocessing, and the layers to store."""

    backbone: str = "resnet34"
    """Name of a torchvision classification network, ``timm/<network>`` or ``open_clip/<network>``. The latter may name
    the weights: ``timm/<network>.<tag>``, ``open_clip/<network>:<tag>``."""
    weights: str = DEFAULT_WEIGHTS
    """Name of published torchvision weights, tag in the backbone's name, path of a state dict (``.pth``,
    ``.safetensors``), or ``random``."""
    seed: int = 0  # seed of random weights
    rule: str = CORRECTED
    """Preprocessing rule: ``corrected``, ``original`` or ``custom`` (a mapping); see `feature_options`."""
    transform: Transform | None = None  # None if `rule` is ``corrected``
    layers: tuple[Role, ...] = ROLES
    map_dtype: str = "float32"
    """Data type of the stored map. ``float16`` halves the map's size; its relative rounding error is up to 2⁻¹¹."""
    autocast: str = "none"
    """Data type for `torch.autocast`; ``none`` computes everything in float32. Each data type has its own feature
    files, because the features differ."""

    @property
    def name(self) -> BackboneName:
        """The parts of the backbone's name."""
        name = parse_backbone(self.backbone)
        if name is None:
            raise ParleyError(_unknown_backbone(self.backbone))
        return name

    @property
    def weights_kind(self) -> Literal["random", "torchvision", "hub", "file"]:
        """Origin of the weights: a random seed, torchvision, the Hugging Face Hub, or a file."""
        if self.weights == RANDOM:
            return "random"
        if self.name.library == "torchvision":
            return "torchvision" if _TORCHVISION_NAME.fullmatch(self.weights) else "file"
        return "hub" if self.name.tag else "file"


def feature_options(
    backbone: str = "resnet34",
    weights: str | None = None,
    seed: int = 0,
    preprocessing: str | Mapping[str, Any] = CORRECTED,
    layers: Sequence[str] = ROLES,
    map_dtype: str = "float32",
    autocast: str = "none",
) -> FeatureOptions:
    """Check the values of the config section `features`, and return them as options.

    Parameters
    ----------
    weights
        None for torchvision's `DEFAULT_WEIGHTS`, or for the weights that the backbone names.
    layers
        All three mean those that the network has; of fewer, each must exist.
    preprocessing
        ``corrected``: the library's transform for the weights. ``original``, as in Evtimova et al. (2018): 227 px, mean
        and sd 0.5, and for a ResNet a pooled vector from the top-left 7 × 7 of the map's 8 × 8 cells. Or a mapping with
        `size` (px), `mean` and `sd` (three numbers each, for values in [0, 1]), and optionally `resize` (px, default
        `size`), `interpolation` (``bilinear`` or ``bicubic``) and `pooled_cells` (see `Transform`).

    Raises
    ------
    ParleyError
        If any value is invalid. The error lists all invalid values.
    """
    findings = Findings()
    name = parse_backbone(backbone)
    if name is None:
        findings.add(_unknown_backbone(backbone))
    elif conflict := _conflict(backbone, name, weights):
        findings.add(conflict)
    if weights == "DEFAULT":
        findings.add(
            "features.weights is DEFAULT, which depends on the version of torchvision; set it to, e.g., IMAGENET1K_V1."
        )
    kept = tuple(role for role in ROLES if role in layers)
    if not kept or set(layers) - set(ROLES):
        findings.add(f"features.layers is {list(layers)}; it must name one or more of {', '.join(ROLES)}.")
    if map_dtype not in MAP_DTYPES:
        findings.add(f"features.map_dtype is {map_dtype!r}; it must be one of {', '.join(MAP_DTYPES)}.")
    if autocast not in AUTOCASTS:
        findings.add(f"features.autocast is {autocast!r}; it must be one of {', '.join(AUTOCASTS)}.")
    transform: Transform | None = None
    try:
        transform = _transform_of(preprocessing, backbone)
    except ParleyError as error:
        findings.extend(error.findings)
    findings.raise_if_any()
    rule = preprocessing if isinstance(preprocessing, str) else CUSTOM
    chosen = weights or (name.tag if name else "") or DEFAULT_WEIGHTS
    return FeatureOptions(backbone, chosen, seed, rule, transform, kept, map_dtype, autocast)


def _unknown_backbone(backbone: str) -> str:
    return (
        f"features.backbone is {backbone!r}; it must be a name as in torchvision.models, e.g. resnet34, "
        "or timm/<network>.<weights>, or open_clip/<network>:<weights>."
    )


def _conflict(backbone: str, name: BackboneName, weights: str | None) -> str:
    """Return an error message if the backbone and `features.weights` name two weights or none; otherwise ''."""
    if name.library == "torchvision":
        return ""
    if name.tag and weights is not None:
        return (
            f"features.backbone is {backbone}, which names its weights, but features.weights is {weights}; "
            f"set features.weights to null, or features.backbone to {name.library}/{name.network}."
        )
    if name.tag or (weights is not None and not _TORCHVISION_NAME.fullmatch(weights)):
        return ""
    given = "names no weights" if weights is None else f"is no network of torchvision, whose weights {weights} are"
    mark = "." if name.library == "timm" else ":"
    command = _TAGS_SHOWN_BY[name.library].format(network=name.network)
    return (
        f"features.backbone is {backbone}, which {given}; write {backbone}{mark}<weights> "
        f'(`uv run python -c "{command}"` lists them) and leave features.weights null, '
        "or set features.weights to a path or to random."
    )


def _transform_of(preprocessing: str | Mapping[str, Any], backbone: str) -> Transform | None:
    if preprocessing == CORRECTED:
        return None
    if preprocessing == ORIGINAL:
        half = (0.5, 0.5, 0.5)
        return Transform(227, 227, half, half, pooled_cells=7 if _RESNET.fullmatch(backbone) else None)
    if isinstance(preprocessing, str):
        raise ParleyError(
            f"features.preprocessing is {preprocessing!r}; it must be {CORRECTED}, {ORIGINAL}, "
            "or a mapping with size, mean and sd."
        )
    return _custom_transform(preprocessing, backbone)


def _custom_transform(values: Mapping[str, Any], backbone: str) -> Transform:
    findings = Findings()
    known = {"size", "mean", "sd", "resize", "interpolation", "pooled_cells"}
    where = "features.custom"
    if unknown := sorted(set(values) - known):
        findings.add(f"{where} has the unknown keys {', '.join(unknown)}; known are {', '.join(sorted(known))}.")
    if missing := [key for key in ("size", "mean", "sd") if key not in values]:
        findings.add(f"{where} lacks {', '.join(missing)}.")
        findings.raise_if_any()
    size, resize, cells = values["size"], values.get("resize"), values.get("pooled_cells")
    resize = size if resize is None else resize
    if not (_is_count(size) and _is_count(resize) and resize >= size):
        findings.add(f"{where}: size {size!r} and resize {resize!r} must be pixels, with resize at least size.")
    if not (_is_triple(values["mean"]) and _is_triple(values["sd"]) and all(sd > 0 for sd in values["sd"])):
        findings.add(f"{where}: mean and sd must be three numbers each (R, G, B), sd above zero.")
    interpolation = values.get("interpolation", "bilinear")
    if interpolation not in ("bilinear", "bicubic"):
        findings.add(f"{where}: interpolation must be bilinear or bicubic.")
    if cells is not None and not (_is_count(cells) and _RESNET.fullmatch(backbone)):
        findings.add(f"{where}: pooled_cells must be a positive integer, and is for ResNets only.")
    findings.raise_if_any()
    mean, sd = (tuple(map(float, values[key])) for key in ("mean", "sd"))
    return Transform(resize, size, mean, sd, interpolation, cells)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_triple(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) == 3
        and all(isinstance(number, int | float) and not isinstance(number, bool) for number in value)
    )


def features_id(options: FeatureOptions) -> str:
    """Return the identifier ``<backbone>-<8 hex digits>`` of the options; the digits are a digest of all options.

    In the digest, a weights file is represented by its bytes, not by its path; a process reads the file only once.
    Weights of the Hugging Face Hub are represented by their tag, since their bytes may not be here yet; each feature
    file records the SHA-256 of its network's parameters, and files in which it differs are never mixed.

    Raises
    ------
    ParleyError
        If the weights file is missing; see `check_weights`.
    """
    settings = asdict(options)
    settings["version"] = CONTENT_VERSION
    if options.transform is not None:
        settings["transform"] = options.transform.described()
    if options.weights_kind == "file":
        if findings := check_weights(options):
            raise ParleyError(findings)
        settings["weights"] = weights_file_sha256(options.weights)
    if options.weights_kind != "random":
        settings["seed"] = None
    return f"{re.sub('[/:]', '-', options.backbone)}-{digest_of(settings, 8)}"


def check_weights(options: FeatureOptions) -> list[str]:
    """Return an error message in a list if the weights are a file that does not exist, otherwise an empty list.

    Published weights are not checked here: `parley.features.weights.fetch_weights` downloads them.
    """
    if options.weights_kind != "file" or Path(options.weights).is_file():
        return []
    named = "one of torchvision's names (IMAGENET1K_V1)"
    if options.name.library != "torchvision":
        named = "null if features.backbone names the weights"
    return [
        f"features.weights: there is no file {options.weights}; put the weights there, or set the key to another path, "
        f"{named}, or random."
    ]


def weights_folders(folder: str | Path) -> list[Path]:
    """Return the folders to search for torchvision's weights: ``checkpoints`` in `folder`, then torch's own cache."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    torch_home = Path(os.environ.get("TORCH_HOME", cache_home / "torch"))
    return [Path(folder) / "checkpoints", expand_home(torch_home) / "hub" / "checkpoints"]


def weights_file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a weights file. The file is read again only if its modification time or size changes."""
    status = Path(path).stat()
    return _sha256_at(str(path), status.st_mtime_ns, status.st_size)


@cache
def _sha256_at(path: str, mtime_ns: int, size_bytes: int) -> str:
    return sha256_of(path)
