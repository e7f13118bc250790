"""The interface of an image source, and its options."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from parley.core.files import is_web_url
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import Listing, ListingBuilder, ParseIssue

HASHED_WHOLE_BYTES = 64 << 20
_END_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """The settings of an image source.

    Attributes
    ----------
    kind
        `url_list`, `folder`, `tars`, `manifest` or `world`.
    root
        The folder that local paths are relative to; None if the source has no local paths.
    locations
        URLs and local paths of the URL list, in the order to try them.
    checksum
        `sha1:…` or `sha256:…` of the URL list, or None.
    manifest
        The table of a source that reads one, from `source.<kind>.path`.
    filter_url
        Keep only addresses that contain this text; empty keeps all.
    class_size
        Keep at most this many addresses per class, the first ones; None keeps all.
    carry
        Columns of a `manifest` source's table to copy into `images.tsv`; None for those about rights
        (`parley.dataset.sources.manifest.RIGHTS_COLUMNS`).
    """

    kind: str
    root: Path | None = None
    locations: tuple[str, ...] = ()
    checksum: str | None = None
    manifest: Path | None = None
    filter_url: str = ""
    class_size: int | None = None
    carry: tuple[str, ...] | None = None


class Source(ABC):
    """An image source; one subclass per kind, listed in `parley.dataset.sources.KINDS`."""

    label: ClassVar[str]
    """What the source is, for the data card."""
    over_network: ClassVar[bool] = False
    """Whether images may be fetched over the network."""
    drawn: ClassVar[bool] = False
    """Whether Parley draws the images itself, so that nobody else has rights to them."""
    listed_at_once: ClassVar[bool] = True
    """Whether `listing` works before any job has run, so that too few candidates are found up front."""
    needs_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the config section `source.<kind>` that must not be empty."""

    def __init__(self, options: SourceOptions) -> None:
        self.options = options

    @abstractmethod
    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return the problems with the settings, one sentence each. Looks at names only; reads no image."""

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of everything that determines the addresses of these classes; reads no image.

        This one is of the table `options.manifest` and the root; sources without a table override it.
        """
        table = self.options.manifest
        content = file_fingerprint(table) if table is not None and table.is_file() else str(table)
        # The same paths below another root are other images.
        named = [(image_class.name, image_class.wnid) for image_class in classes]
        return self._digest_of(content, named, str(self.options.root))

    def entries(self, classes: Sequence[ImageClass]) -> Iterator[tuple[str, str]]:
        """Yield a class's name or wnid and an address for each image, in order; other classes are ignored."""
        raise NotImplementedError(f"{type(self).__name__} overrides neither `entries` nor `listing`.")

    def listing(self, classes: Sequence[ImageClass], url_list: Path | None) -> Listing:
        """Return the addresses of each class by its name: those of `entries`, without duplicates and filtered.

        Parameters
        ----------
        classes
            The classes to list.
        url_list
            The list as `parley.dataset.downloads` wrote it; None for sources without a list.
        """
        builder = ListingBuilder([image_class.name for image_class in classes], self.options.class_size)
        listing, named = builder.listing, class_labels(classes)
        for label, address in self.entries(classes):
            listing.lines += 1
            name = named.get(label)
            if name is not None:
                listing.entries[name] += 1
                issue = self._issue_of(address)
                if issue is None and self.options.filter_url in address:
                    issue = builder.add(name, address)
                if issue is not None:
                    listing.issues[issue] += 1
        return listing

    def _issue_of(self, address: str) -> ParseIssue | None:
        if not self.over_network:
            return None
        if not address:
            return ParseIssue.EMPTY_URL
        if not is_web_url(address) and (self.options.root is None or "://" in address):
            return ParseIssue.NOT_HTTP
        return None

    def _root_problems(self) -> list[str]:
        """Return the problem with the folder that local paths are relative to, if one is configured."""
        if self.options.root is None or self.options.root.is_dir():
            return []
        return [f"The source's root {self.options.root} is not a folder; check the path."]

    def _digest_of(self, *facts: object) -> str:
        """Hash the facts that determine the content, together with the options that filter it."""
        text = repr((self.options.kind, self.options.filter_url, self.options.class_size, *facts))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def class_labels(classes: Sequence[ImageClass]) -> dict[str, str]:
    """Return the class name for each label that a source may use: a class's name or its wnid."""
    named = {image_class.wnid: image_class.name for image_class in classes if image_class.wnid}
    return named | {image_class.name: image_class.name for image_class in classes}


def file_fingerprint(path: Path) -> str:
    """Return a digest of a file: of all its bytes or, if it is large, of its size, time and both ends."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if size <= HASHED_WHOLE_BYTES:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256(f"{size} {path.stat().st_mtime_ns}".encode())
        digest.update(stream.read(_END_BYTES))
        stream.seek(-_END_BYTES, 2)
        digest.update(stream.read())
        return digest.hexdigest()
