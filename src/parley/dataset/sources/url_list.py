"""Image sources `url_list`, a list of URLs by WordNet synset such as ImageNet's, and `world`, synthetic images."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from parley.core.errors import ParleyError, did_you_mean
from parley.core.files import expand_home, is_web_url
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import Listing, ParseIssue
from parley.dataset.sources.base import Source, file_fingerprint
from parley.dataset.sources.url_list_reader import filter_list
from parley.synthetic.attributes import CREATURES

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)

_LACKS = {
    ParseIssue.NO_TAB: "without a tab",
    ParseIssue.BAD_UTF8: "with an address that is not UTF-8",
    ParseIssue.EMPTY_URL: "without a URL",
}


class UrlList(Source):
    """Source of the addresses in a URL list. Addresses without a scheme are paths relative to the root, if any."""

    label = "a list of URLs"
    over_network = True
    listable_before_jobs = False  # The list may have to be downloaded first.
    needs_keys: ClassVar[tuple[str, ...]] = ("locations",)

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return the problems with the settings, one sentence each."""
        found = _missing_wnids(classes)
        if not self.options.locations:
            return [
                *found,
                "A source of kind 'url_list' needs source.url_list.locations: the list's URLs or paths.",
            ]
        local = [location for location in self.options.locations if not is_web_url(location)]
        if len(local) == len(self.options.locations) and not any(expand_home(path).is_file() for path in local):
            found.append(f"The URL list is not at any of its locations: {', '.join(local)}; check the paths.")
        return found + self._root_problems()

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of the wnids, the root and the list.

        The list is represented by its checksum or, without one, by its bytes (local file) or its URL.
        """
        wnids = sorted(image_class.wnid for image_class in classes)
        root = str(self.options.root)
        if self.options.checksum:  # The checksum identifies the list at any location.
            return self._digest_of(self.options.checksum.lower(), wnids, root)
        facts = [
            file_fingerprint(expand_home(location)) if expand_home(location).is_file() else location
            for location in self.options.locations
        ]
        return self._digest_of(facts, wnids, root)

    def listing(self, classes: Sequence[ImageClass], url_list: Path | None) -> Listing:
        """Return the addresses of each class, read from the URL list."""
        if url_list is None:
            raise ParleyError(
                f"A source of kind {self.options.kind!r} needs its URL list; run `uv run snakemake --cores 1 urls`."
            )
        by_wnid = filter_list(
            url_list,
            [image_class.wnid for image_class in classes],
            self.options.filter_url,
            self.options.class_size,
            self._is_readable,
        )
        _refuse_other(url_list, by_wnid)
        listing = Listing({}, by_wnid.lines, issues=by_wnid.issues)
        for image_class in classes:
            listing.urls[image_class.name] = by_wnid.urls[image_class.wnid]
            listing.entries[image_class.name] = by_wnid.entries[image_class.wnid]
        return listing

    def _is_readable(self, url: str) -> bool:
        return is_web_url(url) or (self.options.root is not None and not _SCHEME.match(url))


class World(UrlList):
    """Source of the synthetic images. The job that draws them also writes a URL list, which is read like any other."""

    label = "images of creatures, drawn by Parley"
    over_network = False
    drawn = True
    needs_keys = ()

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return a sentence for each class without a wnid, and for each class that is not one of the creatures."""
        names = [creature.name for creature in CREATURES]
        return _missing_wnids(classes) + [
            f"There is no creature called {one.name}; "
            + did_you_mean(one.name, names, "the creatures are the classes of config/classes/world.tsv.")
            for one in classes
            if one.name not in names
        ]


def _refuse_other(path: Path, listing: Listing) -> None:
    """Raise `ParleyError` if the list has no entries for the classes, and most lines are in another format."""
    if not listing.lines:
        raise ParleyError(f"{path} is empty; get the URL list again.")
    if listing.entries.total():
        return
    for kind, lack in _LACKS.items():
        if (lines := listing.issues[kind]) > listing.lines / 2:
            raise ParleyError(
                f"{path} has no entries for the classes; lines {lack}: {lines} of {listing.lines}. Each "
                "line must have an ID that begins with a wnid, a tab and a URL."
            )


def _missing_wnids(classes: Sequence[ImageClass]) -> list[str]:
    return [
        f"Class {image_class.name!r} has no wnid, but a URL list identifies classes by their wnids; add it."
        for image_class in classes
        if not image_class.wnid
    ]
