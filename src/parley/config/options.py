"""Sections of the config as the options that the library's functions take."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from parley.dataset.fetch.options import FetchOptions, read_exclusions
from parley.dataset.sources import SourceOptions
from parley.features.options import FeatureOptions, feature_options

Section = Mapping[str, Any]


def source_options(source: Section, world: str | None = None) -> SourceOptions:
    """Return what the section `source` says; `world` is the drawn world's folder, where there is one."""
    kind = source["kind"]
    section = source.get(kind, {})
    root = world if kind == "world" else section.get("root") or section.get("local_root")
    carry = section.get("carry")
    return SourceOptions(
        kind=kind,
        root=Path(root) if root else None,
        locations=tuple(section.get("locations", ())),
        checksum=section.get("checksum") or None,
        manifest=Path(section["path"]) if section.get("path") else None,
        filter_url=section.get("filter_url", ""),
        class_size=source["class_size"],
        carry=None if carry is None else tuple(carry),
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
        features["autocast"],
    )


def fetch_options(fetch: Section) -> FetchOptions:
    """Return what the section `fetch` says of asking and of judging."""
    known = {field.name for field in fields(FetchOptions)}
    values: dict[str, Any] = {key: value for key, value in fetch.items() if key in known}
    values |= {key: tuple(fetch[key]) for key in ("refuse", "placeholder_sha256")}
    return FetchOptions(**values, excluded=read_exclusions(fetch["exclude"]))
