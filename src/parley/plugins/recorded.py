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


def load_plugins_of(config: str | Path, root: Path) -> dict[str, dict[str, str]]:
    """Load the plug-ins of a run, and return its parts as they are now: for each file, the digest of each part.

    A warning names each part that was changed since.

    Parameters
    ----------
    config
        Path of the run's config.json; nothing is loaded if there is none, or if it records no plug-ins.
    root
        Folder that the recorded paths are relative to, if the files are not in the working folder.

    Raises
    ------
    ParleyError
        If a file is missing, has errors, or lacks a part of the run.
    """
    values = read_json(config) if Path(config).is_file() else {}
    recorded = values.get("plugins") if isinstance(values, dict) else None
    if not recorded:
        return {}
    found = {file: _load(config, root, file, parts) for file, parts in _checked(config, recorded).items()}
    return dict(found.values())


def _checked(config: str | Path, recorded: Any) -> Mapping[str, Mapping[str, str]]:
    if not isinstance(recorded, dict) or not all(isinstance(parts, dict) for parts in recorded.values()):
        raise ParleyError(f"{config}: `plugins` is not a table of files and their parts; restore the file.")
    return recorded


def _load(config: str | Path, root: Path, file: str, parts: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Load one file; return its path and the digests of the run's parts."""
    places = [Path(file), root / file]
    path = next((one for one in places if one.is_file()), None)
    if path is None:
        raise ParleyError(
            f"The run was trained with the plug-in {file}, which {config} names and which does not exist; put it back."
        )
    logger.info("Loading the plug-in %s, which %s names.", path, config)
    declared, problems = read_plugins([str(path)], {}, Sources())
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
    return str(path), {label: present[label] for label in parts}
