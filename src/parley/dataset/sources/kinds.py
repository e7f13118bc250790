"""The kinds of source a config can name."""

from parley.core.errors import ParleyError
from parley.dataset.sources.base import Source, SourceOptions
from parley.dataset.sources.folder import Folder
from parley.dataset.sources.manifest import ManifestTable
from parley.dataset.sources.tars import Tars
from parley.dataset.sources.url_list import UrlList

# The world writes its images and a URL list, and from there on is a list like any other.
KINDS: dict[str, type[Source]] = {
    "url_list": UrlList,
    "folder": Folder,
    "tars": Tars,
    "manifest": ManifestTable,
    "world": UrlList,
}


def open_source(options: SourceOptions) -> Source:
    """Return the source that the options describe.

    Raises
    ------
    ParleyError
        When there is no such kind.
    """
    kind = KINDS.get(options.kind)
    if kind is None:
        raise ParleyError(f"There is no source of kind {options.kind!r}; the kinds are {', '.join(sorted(KINDS))}.")
    return kind(options)
