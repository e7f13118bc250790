"""Image sources: each kind lists the image addresses of every class and checks its own settings."""

from parley.core.errors import ParleyError
from parley.dataset.sources.archive import ImageArchive
from parley.dataset.sources.base import Source, SourceOptions
from parley.dataset.sources.local import Folder, Tars
from parley.dataset.sources.manifest import ManifestTable
from parley.dataset.sources.torchvision_set import TorchvisionSet
from parley.dataset.sources.url_list import UrlList, World

__all__ = ["KINDS", "Source", "SourceOptions", "open_source"]

KINDS: dict[str, type[Source]] = {
    "url_list": UrlList,
    "folder": Folder,
    "tars": Tars,
    "archive": ImageArchive,
    "manifest": ManifestTable,
    "torchvision": TorchvisionSet,
    "world": World,
}
"""Subclass of `Source` for each value of `source.kind` except `features`. Register new sources here."""


def open_source(options: SourceOptions) -> Source:
    """Create the image source that the options describe.

    Raises
    ------
    ParleyError
        If `options.kind` is not a key of `KINDS`.
    """
    kind = KINDS.get(options.kind)
    if kind is None:
        raise ParleyError(f"There is no source of kind {options.kind!r}; the kinds are {', '.join(sorted(KINDS))}.")
    return kind(options)
