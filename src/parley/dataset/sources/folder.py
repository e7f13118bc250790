"""A folder a class: `<root>/<class>/` or `<root>/<wnid>/`, with images at any depth."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import Listing
from parley.dataset.sources.base import IMAGE_SUFFIXES, Source, existing_paths, path_problems, root_problems
from parley.dataset.sources.naming import listing_of_names


class Folder(Source):
    """Every image file below a class's folder, told by its suffix, in the order of the paths."""

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return what is amiss, as `Source.check` says."""
        if found := root_problems(self.options):
            return found
        assert self.options.root is not None
        return path_problems(self.options.root, classes, "", "folder")

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Digest names, sizes and times of the files in the class folders."""
        facts = []
        for image_class in classes:
            for name in self._images(image_class):
                status = (self._root / name).stat()
                facts.append((name, status.st_size, status.st_mtime_ns))
        return self._digest_of([image_class.name for image_class in classes], facts)

    def listing(self, classes: Sequence[ImageClass], url_list: Path | None) -> Listing:
        """Return the addresses of each class, as `Source.listing` says."""
        names = {image_class.name: self._images(image_class) for image_class in classes}
        return listing_of_names(names, self.options)

    @property
    def _root(self) -> Path:
        return self.options.root or Path()

    def _images(self, image_class: ImageClass) -> Iterator[str]:
        for place in existing_paths(self._root, image_class)[:1]:
            for name in _files_below(place):
                if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
                    yield f"{place.name}/{name}"


def _files_below(folder: Path, above: str = "") -> Iterator[str]:
    """Yield the paths of the files below a folder, sorted by their steps, holding one folder's names at a time.

    Hidden ones, as the `._` companions macOS adds, are left out, and links to folders not followed.
    """
    names, folders = _names_in(folder / above)
    for name in names:
        if name in folders:
            yield from _files_below(folder, f"{above}{name}/")
        else:
            yield above + name


def _names_in(folder: Path) -> tuple[list[str], set[str]]:
    """Return the names in a folder, sorted, and those of them that are folders."""
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
