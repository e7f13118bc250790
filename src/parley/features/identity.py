"""The name under which features are kept: the same for the same numbers. Imports no torch."""

import os
from dataclasses import asdict
from functools import cache
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.files import digest_of, sha256_of
from parley.features.options import FeatureOptions

# Raised when the code changes what a feature file holds, so that older files are not taken for newer ones.
CONTENT_VERSION = 2


def features_id(options: FeatureOptions) -> str:
    """Return ``<backbone>-<8 hex digits>``, which differs wherever weights, preprocessing or layers do.

    A file of weights counts by its bytes, not by its path; it is read once a process.

    Raises
    ------
    ParleyError
        When the file of weights is missing; see `check_weights`.
    """
    settings = asdict(options)
    settings["version"] = CONTENT_VERSION
    if options.weights_kind == "file":
        findings = check_weights(options)
        if findings:
            raise ParleyError(findings)
        settings["weights"] = weights_file_sha256(options.weights)
    if options.weights_kind != "random":
        settings["seed"] = None
    return f"{options.backbone}-{digest_of(settings, 8)}"


def check_weights(options: FeatureOptions) -> list[str]:
    """Say what keeps weights from being loaded, as far as that shows without torch. Quick.

    Torchvision's weights are none of its business: `parley.features.weights.fetch_weights` gets them, or
    says why it cannot.
    """
    if options.weights_kind != "file":
        return []
    path = Path(options.weights)
    if not path.is_file():
        return [
            f"features.weights: there is no file {path}; put the weights there, name another path, one of "
            "torchvision's names (IMAGENET1K_V1), or random."
        ]
    return []


def weights_places(folder: str | Path) -> list[Path]:
    """Return where torchvision's weights are looked for: below `folder`, then in torch's own cache."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    torch_home = Path(os.environ.get("TORCH_HOME", cache_home / "torch"))
    return [Path(folder) / "checkpoints", torch_home.expanduser() / "hub" / "checkpoints"]


def weights_file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file of weights; computed again only when the file's date or size changes."""
    status = Path(path).stat()
    return _sha256_at(str(path), status.st_mtime_ns, status.st_size)


@cache
def _sha256_at(path: str, mtime_ns: int, size_bytes: int) -> str:
    return sha256_of(path)
