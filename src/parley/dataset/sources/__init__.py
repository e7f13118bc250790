"""Image sources: each kind lists the image addresses of every class and checks its own settings."""

from parley.core.errors import ParleyError
from parley.dataset.sources.archive import ImageArchive
from parley.dataset.sources.base import Source, SourceOptions
from parley.dataset.sources.local import Folder, Tars
from parley.dataset.sources.manifest import ManifestTable
from parley.dataset.sources.plugin_source import PluginSource
from parley.dataset.sources.torchvision_set import TorchvisionSet
from parley.dataset.sources.url_list import UrlList, World

__all__ = ["KINDS", "Source", "SourceOptions", "kind_of", "open_source"]

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


def kind_of(name: str) -> type[Source]:
    """Return the class of a kind of source; kinds that Parley does not have are those of plug-ins."""
    return KINDS.get(name, PluginSource)


def open_source(options: SourceOptions) -> Source:
    """Create the image source that the options describe.

    Raises
    ------
    ParleyError
        If `options.kind` is not a key of `KINDS`, and no plug-in's kind either.
    """
    if options.kind not in KINDS and options.own is None:
        raise ParleyError(f"There is no source of kind {options.kind!r}; the kinds are {', '.join(sorted(KINDS))}.")
    return kind_of(options.kind)(options)
