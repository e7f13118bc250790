"""One tar per class, as ILSVRC ships its images: `<root>/<wnid>.tar` or `<root>/<class>.tar`."""

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
