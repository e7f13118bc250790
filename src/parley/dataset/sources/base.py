"""Base class of image sources, and their settings."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from parley.core.files import is_web_url
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import Listing, ListingBuilder, ParseIssue

HASHED_WHOLE_BYTES = 64 << 20
_END_BYTES = 1 << 20
Stated = tuple[tuple[str, ...], Mapping[tuple[str, ...], tuple[str, ...]], int]


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Settings of an image source.

    Attributes
    ----------
    kind
        Kind of source: `url_list`, `folder`, `tars`, `manifest` or `world`.
    root
        Folder that local paths are relative to; None if the source has no local paths.
    locations
        URLs and local paths of the URL list, in the order in which to try them.
    checksum
        Expected checksum of the URL list, `sha1:…` or `sha256:…`; None skips the check.
    manifest
        Path of the table, for sources that read one (`source.<kind>.path` in the config).
    filter_url
        Text that an address must contain to be kept; empty keeps all addresses.
    class_size
        Maximum number of addresses per class; further addresses are ignored. None for no limit.
    carry
        Columns of a `manifest` source's table to copy into `images.tsv`; None copies the columns about rights
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
    """Base class of image sources. Each kind is a subclass, registered in `parley.dataset.sources.KINDS`."""

    label: ClassVar[str]
    """Description of the kind of source, for the data card."""
    over_network: ClassVar[bool] = False
    """Whether images may be fetched over the network."""
    drawn: ClassVar[bool] = False
    """Whether Parley generates the images itself, so that nobody else has rights to them."""
    listed_at_once: ClassVar[bool] = True
    """Whether `listing` works before any job has run, so that a shortage of candidates is reported up front."""
    states_rights: ClassVar[bool] = False
    """Whether `stated` can return columns, such as licences."""
    needs_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the config section `source.<kind>` that must not be empty."""

    def __init__(self, options: SourceOptions) -> None:
        self.options = options

    @abstractmethod
    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return the problems with the settings, one sentence each. May check file names, but reads no image."""

    def listable(self, classes: Sequence[ImageClass]) -> Sequence[ImageClass]:
        """Return the classes that can be listed although `check` has found problems; by default, none."""
        return ()

    @abstractmethod
    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of everything that determines the image addresses of the classes. No image is read."""

    @abstractmethod
    def listing(self, classes: Sequence[ImageClass], url_list: Path | None) -> Listing:
        """Return the addresses of each class.

        Parameters
        ----------
        classes
            The classes to list.
        url_list
            Path of the URL list written by `parley.dataset.downloads`; None for sources without a list.
        """

    def stated(self, classes: Sequence[ImageClass], images: Iterable[tuple[str, ...]]) -> Stated:
        """Return facts about images from the source, such as licences, for the data card; by default, none.

        Parameters
        ----------
        classes
            The classes of the images.
        images
            Class name and key of each image.

        Returns
        -------
        The names of the columns; a mapping from class name and image key to the image's cells, one per column; and the
        number of images that the source lists several times with different cells (the first are used).

        Raises
        ------
        ParleyError
            If the source lacks a column or an image.
        """
        return (), {}, 0

    def _root_problems(self) -> list[str]:
        """Return an error message if the configured root is not a folder, else an empty list."""
        if self.options.root is None or self.options.root.is_dir():
            return []
        return [f"The source's root {self.options.root} is not a folder; check the path."]

    def _digest_of(self, *facts: object) -> str:
        """Return a digest of `facts`, the kind of source, and the options `filter_url` and `class_size`."""
        text = repr((self.options.kind, self.options.filter_url, self.options.class_size, *facts))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


class EntrySource(Source):
    """Base class of image sources that yield the addresses of their images one by one (`entries`)."""

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of the table (`options.manifest`), classes and root. Sources without a table override it."""
        table = self.options.manifest
        content = file_fingerprint(table) if table is not None and table.is_file() else str(table)
        # The root is included because the same paths below another root are other images.
        named = [(image_class.name, image_class.wnid) for image_class in classes]
        return self._digest_of(content, named, str(self.options.root))

    @abstractmethod
    def entries(self, classes: Sequence[ImageClass]) -> Iterator[tuple[str, str]]:
        """Yield the class (name or wnid) and address of each image, in order. Callers skip classes not in `classes`."""

    def listing(self, classes: Sequence[ImageClass], url_list: Path | None) -> Listing:
        """Return the addresses of each class: those of `entries` that pass the filter, without duplicates."""
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
            else:
                listing.others.add(label)
        return listing

    def _issue_of(self, address: str) -> ParseIssue | None:
        if not self.over_network:
            return None
        if not address:
            return ParseIssue.EMPTY_URL
        if not is_web_url(address) and (self.options.root is None or "://" in address):
            return ParseIssue.NOT_HTTP
        return None


def class_labels(classes: Sequence[ImageClass]) -> dict[str, str]:
    """Return a mapping from label to class name; the labels of a class are its name and its wnid."""
    named = {image_class.wnid: image_class.name for image_class in classes if image_class.wnid}
    return named | {image_class.name: image_class.name for image_class in classes}


def file_fingerprint(path: Path) -> str:
    """Return a digest of a file's bytes; if it is large, of its size, modification time, and first and last MiB."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if size <= HASHED_WHOLE_BYTES:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256(f"{size} {path.stat().st_mtime_ns}".encode())
        digest.update(stream.read(_END_BYTES))
        stream.seek(-_END_BYTES, 2)
        digest.update(stream.read())
        return digest.hexdigest()
