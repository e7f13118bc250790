"""What every kind of source can do, and what a config says about one."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from parley.dataset.class_set import ImageClass
from parley.dataset.listing import Listing

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"})
HASHED_WHOLE_BYTES = 64 << 20
_END_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a config says about a source of images.

    Attributes
    ----------
    kind
        `url_list`, `folder`, `tars`, `manifest` or `world`.
    root
        The folder below which local paths are read; None where there are none to read.
    locations
        Where a URL list may be had: URLs and local paths, in the order to try them.
    checksum
        `sha1:…` or `sha256:…` of the URL list, or None.
    manifest
        The table of a `manifest` source.
    filter_url
        Only addresses that hold this text; empty for all.
    class_size
        The first so many addresses a class; None for all.
    carry
        Columns of a `manifest` source's table that go along with its images; None for those that say
        something of rights (`parley.dataset.sources.manifest.RIGHTS_COLUMNS`).
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
    """A source of images: three verbs, one subclass a kind."""

    def __init__(self, options: SourceOptions) -> None:
        self.options = options

    @abstractmethod
    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return what is amiss, a sentence each, from a look at names alone: quick, and reads no image."""

    @abstractmethod
    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of what decides the addresses of these classes, without reading images."""

    @abstractmethod
    def listing(self, classes: Sequence[ImageClass], url_list: Path | None) -> Listing:
        """Return the addresses of each class by its name.

        Parameters
        ----------
        classes
            The classes to list.
        url_list
            The list as `parley.dataset.downloads` wrote it; only sources made from a list need one.
        """

    def _digest_of(self, *facts: object) -> str:
        """Hash the facts that decide the content, together with the options that pick from it."""
        text = repr((self.options.kind, self.options.filter_url, self.options.class_size, *facts))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def root_problems(options: SourceOptions) -> list[str]:
    """Say what is amiss with the folder that local paths lie below."""
    if options.root is None:
        return [f"A source of kind {options.kind!r} needs a root: the folder that its images lie below."]
    if not options.root.is_dir():
        return [f"The source's root {options.root} is not a folder; check the path."]
    return []


def existing_paths(root: Path, image_class: ImageClass, suffix: str = "") -> list[Path]:
    """Return what exists of the places where a class may lie: named as the class, or by its wnid."""
    names = dict.fromkeys(name for name in (image_class.name, image_class.wnid) if name)
    return [place for place in (root / f"{name}{suffix}" for name in names) if place.exists()]


def path_problems(root: Path, classes: Sequence[ImageClass], suffix: str, what: str) -> list[str]:
    """Name each class that has no place of its own below the root, or two of them."""
    found = []
    for image_class in classes:
        places = existing_paths(root, image_class, suffix)
        if not places:
            names = " or ".join(f"{name}{suffix}" for name in (image_class.name, image_class.wnid) if name)
            found.append(f"Class {image_class.name!r} has no {what} {names} in {root}; add it or take the class out.")
        elif len(places) > 1:
            names = " and ".join(place.name for place in places)
            found.append(f"Class {image_class.name!r} has two {what}s in {root}, {names}; keep one.")
    return found


def file_fingerprint(path: Path) -> str:
    """Return a digest of a file: of all its bytes, or of size, time and both ends where it is large."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if size <= HASHED_WHOLE_BYTES:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256(f"{size} {path.stat().st_mtime_ns}".encode())
        digest.update(stream.read(_END_BYTES))
        stream.seek(-_END_BYTES, 2)
        digest.update(stream.read())
        return digest.hexdigest()
