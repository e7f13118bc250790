"""Base class of image sources, and their settings."""

import hashlib
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from parley.core.file_names import spellings
from parley.core.files import is_web_url
from parley.core.tables import stream_table, write_table
from parley.dataset.archives import DAMAGED
from parley.dataset.class_set import ImageClass
from parley.dataset.image_signatures import FORMATS, HIDDEN, has_image_suffix, is_hidden, kind_of_file
from parley.dataset.left_out import LeftOut
from parley.dataset.listing import Listing, ListingBuilder, ParseIssue, storable
from parley.plugins.registry import Option

HASHED_WHOLE_BYTES = 64 << 20
_END_BYTES = 1 << 20
ARCHIVES_FOLDER = Path("resources/archives")
"""Folder of downloaded archives, shared by all experiments."""
TORCHVISION_FOLDER = "resources/torchvision"
"""Folder of torchvision's files, unless the config sets another one; the default in the config's schema."""
UNFINISHED = ".unfinished"
"""Folder in it in which torchvision downloads and unpacks a dataset, so that an interrupted one is never read."""
_LISTING_COLUMNS = ("class", "address")


class Stated(NamedTuple):
    """Facts about images from the source, such as licences, for the data card."""

    columns: tuple[str, ...]
    """Names of the columns."""
    cells: Mapping[tuple[str, ...], tuple[str, ...]]
    """Class name and key of an image → its cells, one per column."""
    conflicting: int
    """Number of images that the source lists several times with different cells; the first are used."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Settings of an image source.

    Attributes
    ----------
    kind
        Kind of source: a key of `parley.dataset.sources.KINDS`.
    root
        Folder that local paths are relative to; None if the source has no local paths.
    locations
        URLs and local paths of the URL list or archive, in the order in which to try them.
    checksum
        Expected checksum of the URL list or archive, such as `sha256:…`; None skips the check.
    manifest
        Path of the table, for sources that read one (`source.<kind>.path` in the config).
    filter_url
        Text that an address must contain to be kept; empty keeps all addresses.
    class_size
        Maximum number of addresses per class; further addresses are ignored. None for no limit.
    terms
        Terms of use of the images, for the data card.
    carry
        Columns of a `manifest` source's table to copy into `images.tsv`; None copies the columns about rights
        (`parley.dataset.sources.manifest.RIGHTS_COLUMNS`).
    dataset, arguments
        Name of a class of `torchvision.datasets`, and the arguments of each dataset of it whose images are joined.
    members
        Templates of the paths of images in an archive, such as `train/{wnid}/*`.
    size_bytes
        Expected size of the archive; None skips the check.
    store
        Folder of downloaded archives, shared by all experiments.
    keep
        Whether tars of classes are kept after the images have been fetched.
    allow_private_hosts
        Whether archives may be downloaded from addresses that are not public.
    read_timeout_s
        Timeout of the downloads of archives; `parley.dataset.downloads.download` describes it.
    own, own_code
        Options of an image source that a plug-in registers (`source.options` in the config), None for Parley's own
        kinds; and the digest of its class, where it is known.
    """

    kind: str
    root: Path | None = None
    locations: tuple[str, ...] = ()
    checksum: str | None = None
    manifest: Path | None = None
    filter_url: str = ""
    class_size: int | None = None
    terms: str = ""
    carry: tuple[str, ...] | None = None
    dataset: str = ""
    arguments: tuple[Mapping[str, Any], ...] = ()
    members: tuple[str, ...] = ()
    size_bytes: int | None = None
    store: Path = ARCHIVES_FOLDER
    keep: bool = False
    allow_private_hosts: bool = False
    read_timeout_s: float = 20.0
    own: Mapping[str, Option] | None = field(default=None, hash=False)
    own_code: str = ""

    def with_own(self, own: Mapping[str, Option]) -> "SourceOptions":
        """Return the same settings with other options of a plug-in's source."""
        return replace(self, own=own)


class Source(ABC):
    """Base class of image sources. Each kind is a subclass, registered in `parley.dataset.sources.KINDS`."""

    label: ClassVar[str]
    """Description of the kind of source, for the data card."""
    over_network: ClassVar[bool] = False
    """Whether images may be fetched over the network."""
    drawn: ClassVar[bool] = False
    """Whether Parley generates the images itself, so that nobody else has rights to them."""
    listable_before_jobs: bool = True
    """Whether `listing` works before any job has run, so that a shortage of candidates is reported up front."""
    needs_listing: bool = False
    """Whether a job of its own provides the files and lists the images (`EntrySource.write_listing`)."""
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
            Path of the URL list written by `parley.dataset.downloads` or by `EntrySource.write_listing`; None for
            sources without a list.
        """

    def provide(self, classes: Sequence[ImageClass]) -> Path | None:
        """Make sure that the files of the classes' images exist, and return the folder that contains them, if any."""
        return self.options.root

    def archive_downloader(self, classes: Sequence[ImageClass]) -> Callable[[str], object] | None:
        """Return a function that makes sure that an archive in the folder exists, given its name; None if all do."""
        return None

    def store(self) -> Path | None:
        """Return the folder of archives that the source may download, whether or not it exists; None if it has none."""
        return None

    def release(self, classes: Sequence[ImageClass]) -> None:  # noqa: B027 - by default, there are none
        """Remove files that were needed only until the classes' images have been fetched."""

    def stated(self, classes: Sequence[ImageClass], images: Iterable[tuple[str, ...]]) -> Stated:
        """Return facts about images from the source, such as licences, for the data card; by default, none.

        Parameters
        ----------
        classes
            The classes of the images.
        images
            Class name and key of each image.

        Raises
        ------
        ParleyError
            If the source lacks a column or an image.
        """
        return Stated((), {}, 0)

    def _root_problems(self) -> list[str]:
        """Return an error message if the configured root is not a folder, else an empty list."""
        if self.options.root is None or self.options.root.is_dir():
            return []
        advice = "unpack it, or use source.kind archive" if self.options.root.is_file() else "check the path"
        return [f"The source's root {self.options.root} is not a folder; {advice}."]

    def _digest_of(self, *facts: object) -> str:
        """Return a digest of `facts`, the kind of source, and the options `filter_url` and `class_size`."""
        text = repr((self.options.kind, self.options.filter_url, self.options.class_size, *facts))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


class EntrySource(Source):
    """Base class of image sources that yield the addresses of their images one by one (`entries`)."""

    def __init__(self, options: SourceOptions) -> None:
        super().__init__(options)
        self.skipped_files = LeftOut()
        """Number of files that `entries` has skipped because they are not images, by kind of file."""

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
        entries = self.entries(classes) if url_list is None else stream_table(url_list, _LISTING_COLUMNS)
        self.skipped_files = LeftOut()
        builder = ListingBuilder([image_class.name for image_class in classes], self.options.class_size)
        listing, named = builder.listing, class_labels(classes)
        for label, address in entries:
            listing.lines += 1
            name = named.get(label)
            if name is not None:
                listing.entries[name] += 1
                issue = self._issue_of(address)
                if issue is None and self.options.filter_url in address:
                    issue = builder.add(name, address)
                if issue is not None:
                    listing.issues.add(issue, address)
            else:
                listing.others.add(label)
        listing.skipped_files = self.skipped_files
        return listing

    def write_listing(self, classes: Sequence[ImageClass], destination: Path) -> None:
        """Write `entries` to a table that `listing` reads."""
        entries = list(self.entries(classes))  # This may download for hours, so that the file is not opened before.
        write_table(destination, _LISTING_COLUMNS, ((label, storable(address)) for label, address in entries))

    def _is_image(self, name: str, head: Callable[[], bytes], address: str) -> bool:
        """Return whether a file is an image, by `reason_to_skip`; if not, count it."""
        if reason := reason_to_skip(name, head):
            self.skipped_files.add(reason, address)
        return not reason

    def _issue_of(self, address: str) -> ParseIssue | None:
        if not self.over_network:
            return None
        if not address:
            return ParseIssue.EMPTY_URL
        if not is_web_url(address) and (self.options.root is None or "://" in address):
            return ParseIssue.NOT_HTTP
        return None


def class_labels(classes: Sequence[ImageClass]) -> dict[str, str]:
    """Return the class name for each wnid, and for each name in both Unicode forms (NFC and NFD)."""
    named = {image_class.wnid: image_class.name for image_class in classes if image_class.wnid}
    return named | {form: one.name for one in classes for form in spellings(one.name)}


def reason_to_skip(name: str, head: Callable[[], bytes]) -> str:
    """Return the kind of a file that is not an image, by its name or first bytes; an empty string for an image.

    Parameters
    ----------
    name
        The file's name or path. Files with the usual suffixes are images, whatever they hold: they are not opened.
        Hidden files are none.
    head
        Function that returns the first `HEAD_BYTES` bytes of the file.
    """
    if is_hidden(name):
        return HIDDEN
    if has_image_suffix(name):
        return ""
    try:
        kind = kind_of_file(name, head())
    except DAMAGED:
        return "unreadable"
    return "" if kind in FORMATS else kind


def file_facts(root: Path, names: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the name, size and modification time of files, given relative to a root.

    Size and time are 0 if a fetch cannot read the file: it is missing, reading is not permitted, or a link or `..`
    leads out of the root. So images fetched when other files could be read are not taken for these.
    """
    top, folders = os.path.realpath(root).rstrip("/"), dict[str, str]()
    for name in names:
        facts = (_facts(top, folders, form) for form in spellings(name))
        yield name, *next((found for found in facts if found), (0, 0))


def _facts(top: str, folders: dict[str, str], name: str) -> tuple[int, int] | None:
    """Return the size and modification time of a file; None if a fetch cannot read it."""
    above, _, own = name.rpartition("/")
    try:
        folder = folders.get(above) or folders.setdefault(above, os.path.realpath(f"{top}/{above}"))
        file = f"{folder}/{own}"
        status = os.lstat(file)  # Strings need a quarter of the time of `Path`, for perhaps 100,000 files.
        if stat.S_ISLNK(status.st_mode):
            file = os.path.realpath(file)
            status = os.stat(file)  # noqa: PTH116
    except (OSError, ValueError):  # A NUL in a path raises ValueError.
        return None
    is_read = file.startswith(f"{top}/") and os.access(file, os.R_OK)
    return (status.st_size, status.st_mtime_ns) if is_read else None


def file_fingerprint(path: Path) -> str:
    """Return a digest of a file's bytes; if it is large, of its size, modification time, and first and last MiB."""
    status = path.stat()
    return _fingerprint(path.absolute(), status.st_size, status.st_mtime_ns)


@lru_cache
def _fingerprint(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as stream:
        if size <= HASHED_WHOLE_BYTES:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256(f"{size} {mtime_ns}".encode())
        digest.update(stream.read(_END_BYTES))
        stream.seek(-_END_BYTES, 2)
        digest.update(stream.read())
        return digest.hexdigest()
