"""A folder a class: `<root>/<class>/` or `<root>/<wnid>/`, with images at any depth."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from parley.classes import ImageClass
from parley.listing import Listing
from parley.sources.base import IMAGE_SUFFIXES, Source, place_complaints, places_of, root_complaints
from parley.sources.naming import gather


class Folder(Source):
    """Every image file below a class's folder, told by its suffix, in the order of the paths."""

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return what is amiss, as `Source.check` says."""
        if found := root_complaints(self.options):
            return found
        assert self.options.root is not None
        return place_complaints(self.options.root, classes, "", "folder")

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Digest names, sizes and times of the files in the class folders."""
        facts = []
        for image_class in classes:
            for path in self._images(image_class):
                status = path.stat()
                facts.append((str(path.relative_to(self._root)), status.st_size, status.st_mtime_ns))
        return self._digest_of([image_class.name for image_class in classes], facts)

    def listing(self, classes: Sequence[ImageClass], url_list: Path | None) -> Listing:
        """Return the addresses of each class, as `Source.listing` says."""
        names = {
            image_class.name: [path.relative_to(self._root).as_posix() for path in self._images(image_class)]
            for image_class in classes
        }
        return gather(names, self.options)

    @property
    def _root(self) -> Path:
        return self.options.root or Path()

    def _images(self, image_class: ImageClass) -> list[Path]:
        return sorted(
            path
            for place in places_of(self._root, image_class)[:1]
            for path in _files_below(place)
            if path.suffix.lower() in IMAGE_SUFFIXES
        )


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; hidden ones, as the `._` companions macOS adds, are left out."""
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith("."):
                yield Path(where, name)
