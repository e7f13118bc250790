"""Sections of the config as the options that the library's functions take."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parley.features.options import FeatureOptions, feature_options
from parley.fetch.options import FetchOptions
from parley.sources import SourceOptions

Section = Mapping[str, Any]


def source_options(source: Section, world: str | None = None) -> SourceOptions:
    """Return what the section `source` says; `world` is the drawn world's folder, where there is one."""
    kind = source["kind"]
    section = source.get(kind, {})
    root = world if kind == "world" else section.get("root") or section.get("local_root")
    return SourceOptions(
        kind=kind,
        root=Path(root) if root else None,
        locations=tuple(section.get("locations", ())),
        checksum=section.get("checksum") or None,
        manifest=Path(section["path"]) if section.get("path") else None,
        filter_url=section.get("filter_url", ""),
        class_size=source["class_size"],
    )


def network_options(features: Section) -> FeatureOptions:
    """Return what the section `features` says of the network and of how it sees an image."""
    preprocessing = features["preprocessing"]
    if preprocessing == "custom":
        preprocessing = {key: value for key, value in features["custom"].items() if value is not None}
    return feature_options(
        features["backbone"],
        features["weights"],
        features["seed"],
        preprocessing,
        features["layers"],
        features["map_dtype"],
    )


NOT_OF_THE_CLIENT = ("margin", "on_shortage", "classes_per_job")
"""Keys of the section `fetch` that the stages take and the client does not know."""


def fetch_options(fetch: Section) -> FetchOptions:
    """Return what the section `fetch` says of asking and of judging."""
    values = {key: value for key, value in fetch.items() if key not in NOT_OF_THE_CLIENT}
    return FetchOptions(**{**values, "placeholder_sha256": tuple(fetch["placeholder_sha256"])})
