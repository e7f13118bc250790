"""Local image sources: one folder of images per class, or one tar of images per class."""

import os
import tarfile
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

from parley.core.errors import ParleyError, did_you_mean
from parley.dataset.class_set import ImageClass
from parley.dataset.sources.base import EntrySource
from parley.dataset.tars import members_of

_IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"})
MOST_SUGGESTIONS = 10
"""Maximum number of classes without a folder or tar for which a similar one is suggested."""


class _OnePerClass(EntrySource):
    """Base class of sources with one folder or tar per class in the root, named after the class or its wnid."""

    needs_keys = ("root",)
    what: ClassVar[str]
    suffix: ClassVar[str] = ""

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return a sentence if the root is no folder, and one for each class without exactly one folder or tar."""
        root = self.options.root
        if root is None:
            return [f"A source of kind {self.options.kind!r} needs `root`, the folder that contains its images."]
        found = self._root_problems()
        for image_class in classes if not found else ():
            names = self._names(image_class)
            existing = [name for name in names if (root / name).exists()]
            if not existing:
                # In a large root, suggestions take seconds.
                similar = sorted(path.name for path in root.iterdir()) if len(found) < MOST_SUGGESTIONS else []
                hint = did_you_mean(names[0], similar)
                found.append(
                    f"Class {image_class.name!r} has no {self.what} {' or '.join(names)} in {root}"
                    f"{hint and f' ({hint})'}; add it, or rename or remove the class."
                )
            elif len(existing) > 1:
                found.append(
                    f"Class {image_class.name!r} has two {self.what}s in {root}, {' and '.join(existing)}; keep one."
                )
        return found

    def listable(self, classes: Sequence[ImageClass]) -> Sequence[ImageClass]:
        """Return the classes that have a folder or tar."""
        present = {name for name, _ in self._paths(classes)}
        return [image_class for image_class in classes if image_class.name in present]

    def entries(self, classes: Sequence[ImageClass]) -> Iterator[tuple[str, str]]:
        """Yield the class name and address of each image."""
        for name, path in self._paths(classes):
            for image in self._images(path):
                yield name, image

    @abstractmethod
    def _images(self, path: Path) -> Iterator[str]:
        """Yield the addresses of the images in a class's folder or tar, sorted."""

    def _paths(self, classes: Sequence[ImageClass]) -> Iterator[tuple[str, Path]]:
        """Yield the class name and path of each folder or tar that exists."""
        for image_class in classes:
            paths = ((self.options.root or Path()) / name for name in self._names(image_class))
            if (path := next((path for path in paths if path.exists()), None)) is not None:
                yield image_class.name, path

    def _names(self, image_class: ImageClass) -> list[str]:
        return [f"{name}{self.suffix}" for name in dict.fromkeys((image_class.name, image_class.wnid)) if name]


class Folder(_OnePerClass):
    """Source of all files with an image suffix below each class's folder, at any depth, sorted by path."""

    label = "a folder of images"
    what = "folder"

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of the names, sizes and modification times of the images in the class folders."""
        facts = []
        for _, folder in self._paths(classes):
            for name in self._images(folder):
                status = (folder.parent / name).stat()
                facts.append((name, status.st_size, status.st_mtime_ns))
        return self._digest_of([image_class.name for image_class in classes], facts)

    def _images(self, path: Path) -> Iterator[str]:
        return (f"{path.name}/{name}" for name in _files_below(path) if _is_image(name))


class Tars(_OnePerClass):
    """Source of the images in each class's tar, as distributed by ILSVRC; an address is `<tar>!<member>`."""

    label = "tars of images"
    what = "tar"
    suffix = ".tar"

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of the names, sizes and modification times of the tars."""
        tars = [(name, tar.name, tar.stat()) for name, tar in self._paths(classes)]
        return self._digest_of([(name, tar, status.st_size, status.st_mtime_ns) for name, tar, status in tars])

    def _images(self, path: Path) -> Iterator[str]:
        try:
            with tarfile.open(path, "r:") as archive:
                members = (member for member in members_of(archive) if member.isreg() and _is_image(member.name))
                names = sorted(member.name for member in members)
        except (tarfile.TarError, EOFError) as error:
            raise ParleyError(
                f"{path} is not a complete, uncompressed tar ({error}); decompress it or copy it again."
            ) from error
        yield from (f"{path.name}!{name}" for name in names)


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _IMAGE_SUFFIXES


def _files_below(folder: Path, above: str = "") -> Iterator[str]:
    """Yield the relative paths of the files below a folder, sorted component by component.

    Keeps the names of one folder per level in memory. Skips names that start with a dot, such as macOS's `._` files,
    and symbolic links to folders.
    """
    try:
        with os.scandir(folder / above) as entries:
            found = sorted((one.name, one.is_dir(), one.is_symlink()) for one in entries if one.name[0] != ".")
    except OSError as error:
        path = folder / above
        raise ParleyError(
            f"{path} cannot be read as a folder ({error.strerror}); check that it is a folder you may read."
        ) from error
    for name, is_folder, is_link in found:
        if not is_folder:
            yield above + name
        elif not is_link:
            yield from _files_below(folder, f"{above}{name}/")
