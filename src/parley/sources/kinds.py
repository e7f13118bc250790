"""The kinds of source a config can name."""

from parley.errors import ParleyError
from parley.sources.base import Source, SourceOptions
from parley.sources.folder import Folder
from parley.sources.manifest import ManifestTable
from parley.sources.tars import Tars
from parley.sources.url_list import UrlList

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
