"""Convert sections of the config to the option classes of the library."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from parley.dataset.fetch.options import FetchOptions, read_exclusions
from parley.dataset.sources import KINDS, SourceOptions
from parley.features.options import FeatureOptions, feature_options

Section = Mapping[str, Any]
NETWORK_KEYS = ("backbone", "weights", "seed", "preprocessing", "custom", "layers", "map_dtype", "autocast")
"""Keys of the section `features` that determine the features."""


def source_options(
    source: Section, world: str | None = None, fetch: Section | None = None, own_code: str = ""
) -> SourceOptions:
    """Convert the section `source`.

    Parameters
    ----------
    source
        The section.
    world
        Folder of the images that a job has made for the source, if any.
    fetch
        The section `fetch`, for jobs that may download archives.
    own_code
        Digest of the class of a source that a plug-in registers, where it matters.
    """
    kind = source["kind"]
    if kind not in (*KINDS, "features"):
        own = source.get("options") or {}
        about = {"class_size": source["class_size"], "terms": source.get("terms", "")}
        return SourceOptions(kind, Path(own.get("root") or "."), **about, own=own, own_code=own_code)
    section = source.get(kind, {})
    root = world or section.get("root") or section.get("local_root")
    carry, arguments = section.get("carry"), section.get("arguments", ())
    urls, members = section.get("url") or section.get("locations") or (), section.get("members") or ()
    return SourceOptions(
        kind=kind,
        root=Path(root) if root else None,
        locations=tuple([urls] if isinstance(urls, str) else urls),
        checksum=section.get("checksum") or None,
        manifest=Path(section["path"]) if section.get("path") else None,
        filter_url=section.get("filter_url", ""),
        class_size=source["class_size"],
        terms=source.get("terms", ""),
        carry=None if carry is None else tuple(carry),
        dataset=section.get("dataset") or "",
        arguments=(arguments,) if isinstance(arguments, dict) else tuple(arguments),
        members=(members,) if isinstance(members, str) else tuple(members),
        size_bytes=section.get("size"),
        keep=section.get("keep", False),
        **({} if fetch is None else {key: fetch[key] for key in ("allow_private_hosts", "read_timeout_s")}),
    )


def network_options(features: Section) -> FeatureOptions:
    """Convert the `NETWORK_KEYS` of the section `features` to options."""
    values = {key: features[key] for key in NETWORK_KEYS}
    custom = values.pop("custom")
    if values["preprocessing"] == "custom":
        values["preprocessing"] = {key: value for key, value in custom.items() if value is not None}
    return feature_options(**values)


def fetch_options(fetch: Section) -> FetchOptions:
    """Convert the section `fetch` to the options for requests and for the validation of images."""
    known = {field.name for field in fields(FetchOptions)}
    values: dict[str, Any] = {key: value for key, value in fetch.items() if key in known}
    values |= {key: tuple(fetch[key]) for key in ("refuse", "placeholder_sha256")}
    return FetchOptions(**values, excluded=read_exclusions(fetch["exclude"]))
