"""Load the plug-ins that a run was trained with, which its config.json records."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import read_json
from parley.plugins.declared import read_plugins
from parley.plugins.loading import load_plugins
from parley.runtime.code_digest import Sources

logger = logging.getLogger(__name__)


def load_plugins_of(config: str | Path) -> dict[str, dict[str, str]]:
    """Load the plug-ins of a run, and return its parts as they are now: for each file, the digest of each part.

    A warning names each part that was changed since. Files are code, so those of results from elsewhere are not loaded.

    Parameters
    ----------
    config
        Path of the run's config.json; nothing is loaded if there is none, or if it records no plug-ins.

    Raises
    ------
    ParleyError
        If the run is not below ``results`` in the working folder, or a file is missing, has errors, or lacks a part of
        the run.
    """
    values = read_json(config) if Path(config).is_file() else {}
    recorded = values.get("plugins") if isinstance(values, dict) else None
    if not recorded:
        return {}
    files = _checked(config, recorded)
    if not Path(config).resolve().is_relative_to(Path("results").resolve()):
        raise ParleyError(
            f"{config} names the plug-in {', '.join(files)}, which is code, and is not below results/ in this folder; "
            "read the plug-in, and if you trust it, run the command in the folder that contains that results/."
        )
    return {file: _load(config, file, parts) for file, parts in files.items()}


def edited_since(config: str | Path, present: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the files whose parts were changed since a run was trained, given what `load_plugins_of` returned."""
    if not present:
        return []
    recorded = _checked(config, read_json(config)["plugins"])
    return [file for file, parts in present.items() if parts != recorded[file]]


def _checked(config: str | Path, recorded: Any) -> Mapping[str, Mapping[str, str]]:
    if not isinstance(recorded, dict) or not all(isinstance(parts, dict) for parts in recorded.values()):
        raise ParleyError(f"{config}: `plugins` is not a table of files and their parts; restore the file.")
    return recorded


def _load(config: str | Path, path: str, parts: Mapping[str, str]) -> dict[str, str]:
    """Load one file; return the digests of the run's parts."""
    if not Path(path).is_file():
        raise ParleyError(
            f"The run was trained with the plug-in {path}, which {config} names and which does not exist; put it back."
        )
    logger.info("Loading the plug-in %s, which %s names.", path, config)
    declared, problems = read_plugins([path], {}, Sources())
    present = {part.label: part.digest for part in declared}
    if problems:
        raise ParleyError(problems)
    for label, digest in parts.items():
        if label not in present:
            raise ParleyError(
                f"The run was trained with {label} of {path}, which the file no longer registers; restore the file."
            )
        if present[label] != digest:
            logger.warning("%s in %s was changed since the run was trained.", label.capitalize(), path)
    load_plugins([path])
    return {label: present[label] for label in parts}
