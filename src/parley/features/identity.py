"""Identifier of a feature set: equal settings give equal identifiers. Does not import torch."""

import os
from dataclasses import asdict
from functools import cache
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.files import digest_of, sha256_of
from parley.features.options import FeatureOptions

# Increased when the code changes the content of feature files, so that old files are not reused.
CONTENT_VERSION = 2


def features_id(options: FeatureOptions) -> str:
    """Return ``<backbone>-<8 hex digits>``, a digest of weights, preprocessing and layers.

    A weights file is identified by its bytes, not its path; each process reads it once.

    Raises
    ------
    ParleyError
        If the weights file is missing; see `check_weights`.
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
    """Return why a weights file cannot be loaded, as far as can be checked fast and without torch.

    Torchvision's weights are not checked here: `parley.features.weights.fetch_weights` downloads them.
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


def weights_folders(folder: str | Path) -> list[Path]:
    """Return the folders searched for torchvision's weights: inside `folder`, then torch's own cache."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    torch_home = Path(os.environ.get("TORCH_HOME", cache_home / "torch"))
    return [Path(folder) / "checkpoints", torch_home.expanduser() / "hub" / "checkpoints"]


def weights_file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a weights file; recomputed only if its modification time or size changes."""
    status = Path(path).stat()
    return _sha256_at(str(path), status.st_mtime_ns, status.st_size)


@cache
def _sha256_at(path: str, mtime_ns: int, size_bytes: int) -> str:
    return sha256_of(path)
