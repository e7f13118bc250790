"""Weights on the Hugging Face Hub, in the cache of huggingface_hub, which other programs share."""

import logging
from contextlib import suppress
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import RemoteEntryNotFoundError

from parley.core.errors import ParleyError
from parley.features.encoders import HubFile

logger = logging.getLogger(__name__)


def fetch(file: HubFile, backbone: str, download: bool) -> Path | None:
    """Return the path of a file in the cache. If it is missing, download it, or else return None.

    Raises
    ------
    ParleyError
        If the file is missing and cannot be downloaded.
    """
    for name in file.names:
        if isinstance(found := try_to_load_from_cache(file.repository, name), str):
            return Path(found)
    return _downloaded(file, backbone) if download else None


def source_of(path: Path, repository: str) -> str:
    """Return the name ``<repository>@<revision>/<file>`` of a file in the cache."""
    return f"{repository}@{path.parent.name}/{path.name}"


def _downloaded(file: HubFile, backbone: str) -> Path:
    logger.info("Downloading %s from the Hugging Face Hub", file.repository)
    *others, last = file.names
    try:
        for name in others:
            with suppress(RemoteEntryNotFoundError):
                return Path(hf_hub_download(file.repository, name))  # nosec B615
        return Path(hf_hub_download(file.repository, last))  # nosec B615
    except Exception as error:  # The HTTP client and the hub raise many types.
        raise ParleyError(_not_here(file, backbone, error)) from error


def _not_here(file: HubFile, backbone: str, reason: Exception) -> str:
    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else (str(reason).strip() or repr(reason)).splitlines()[0]
    first = "unset HF_HUB_OFFLINE, or, on" if constants.HF_HUB_OFFLINE else "on"
    plain = backbone.split(":")[0] if ":" in backbone else backbone.split(".")[0]
    return (
        f"features.backbone: the weights of {backbone} are not in {constants.HF_HUB_CACHE} and cannot be downloaded "
        f"({why}); {first} a machine with a network, run `hf download {file.repository} {file.names[0]}` and copy that "
        f"folder here (HF_HOME says where it is), or set features.backbone to {plain} and features.weights to "
        "a path or to random."
    )
