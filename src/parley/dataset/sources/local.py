"""Sources on disk: a folder of images, or a tar of images, per class."""

import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import Listing
from parley.dataset.sources.base import (
    IMAGE_SUFFIXES,
    Source,
    existing_paths,
    listing_of_names,
    path_problems,
    root_problems,
)


class Folder(Source):
    """Every file below a class's folder that has an image suffix, in the order of the paths."""

    label = "a folder of pictures"
    needs_keys = ("root",)

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return the problems with the settings."""
        if found := root_problems(self.options):
            return found
        assert self.options.root is not None
        return path_problems(self.options.root, classes, "", "folder")

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Digest the names, sizes and modification times of the files in the class folders."""
        facts = []
        for image_class in classes:
            for name in self._images(image_class):
                status = (self._root / name).stat()
                facts.append((name, status.st_size, status.st_mtime_ns))
        return self._digest_of([image_class.name for image_class in classes], facts)

    def listing(self, classes: Sequence[ImageClass], url_list: Path | None) -> Listing:
        """Return the addresses of each class by its name."""
        names = {image_class.name: self._images(image_class) for image_class in classes}
        return listing_of_names(names, self.options)

    @property
    def _root(self) -> Path:
        return self.options.root or Path()

    def _images(self, image_class: ImageClass) -> Iterator[str]:
        for folder in existing_paths(self._root, image_class)[:1]:
            for name in _files_below(folder):
                if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
                    yield f"{folder.name}/{name}"


def _files_below(folder: Path, above: str = "") -> Iterator[str]:
    """Yield the relative paths of the files below a folder, sorted component by component.

    Keeps the names of one folder per level in memory. Skips hidden files, such as macOS's `._` companions, and
    symbolic links to folders.
    """
    names, folders = _names_in(folder / above)
    for name in names:
        if name in folders:
            yield from _files_below(folder, f"{above}{name}/")
        else:
            yield above + name


def _names_in(folder: Path) -> tuple[list[str], set[str]]:
    """Return the sorted names in a folder, and the subset that are folders."""
    names, folders = [], set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or (entry.is_dir() and entry.is_symlink()):
                    continue
                names.append(entry.name)
                if entry.is_dir():
                    folders.add(entry.name)
    except OSError as error:
        raise ParleyError(f"{folder} cannot be read as a folder ({error.strerror}); check what it is.") from error
    names.sort()
    return names, folders


class Tars(Source):
    """The image members of each class's tar, sorted by name; an address is `<tar>!<member>`."""

    label = "tars of pictures"
    needs_keys = ("root",)

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return the problems with the settings."""
        if found := root_problems(self.options):
            return found
        assert self.options.root is not None
        return path_problems(self.options.root, classes, ".tar", "tar")

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Digest the names, sizes and modification times of the tars."""
        tars = [(image_class.name, tar) for image_class in classes for tar in self._tar(image_class)]
        return self._digest_of([(name, tar.name, tar.stat().st_size, tar.stat().st_mtime_ns) for name, tar in tars])

    def listing(self, classes: Sequence[ImageClass], url_list: Path | None) -> Listing:
        """Return the addresses of each class by its name."""
        names = {image_class.name: self._addresses(image_class) for image_class in classes}
        return listing_of_names(names, self.options)

    def _addresses(self, image_class: ImageClass) -> Iterator[str]:
        for tar in self._tar(image_class):
            yield from (f"{tar.name}!{member}" for member in _images(tar))

    def _tar(self, image_class: ImageClass) -> list[Path]:
        return existing_paths(self.options.root or Path(), image_class, ".tar")[:1]


def _images(tar: Path) -> list[str]:
    """Return the sorted names of the regular members that have an image suffix."""
    try:
        with tarfile.open(tar, "r:") as archive:
            names = []
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # It keeps every member it has read, about 1 kB each.
                if member.isreg() and PurePosixPath(member.name).suffix.lower() in IMAGE_SUFFIXES:
                    names.append(member.name)
    except (tarfile.TarError, EOFError) as error:
        raise ParleyError(f"{tar} is not a whole, uncompressed tar ({error}); unpack or copy it afresh.") from error
    return sorted(names)
