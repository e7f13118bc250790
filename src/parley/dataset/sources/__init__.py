"""Image sources: each kind lists the image addresses of every class and checks its own settings."""

from parley.core.errors import ParleyError
from parley.dataset.sources.base import Source, SourceOptions
from parley.dataset.sources.local import Folder, Tars
from parley.dataset.sources.manifest import ManifestTable
from parley.dataset.sources.url_list import UrlList, World

__all__ = ["KINDS", "Source", "SourceOptions", "open_source"]

KINDS: dict[str, type[Source]] = {
    "url_list": UrlList,
    "folder": Folder,
    "tars": Tars,
    "manifest": ManifestTable,
    "world": World,
}
"""The values of `source.kind` in a config that list images; a new source is added here."""


def open_source(options: SourceOptions) -> Source:
    """Return the source that the options describe.

    Raises
    ------
    ParleyError
        If no kind of source has this name.
    """
    kind = KINDS.get(options.kind)
    if kind is None:
        raise ParleyError(f"There is no source of kind {options.kind!r}; the kinds are {', '.join(sorted(KINDS))}.")
    return kind(options)
