"""Local image sources: one folder of images per class, or one tar of images per class."""

import glob
import logging
import os
import stat
import tarfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO, ClassVar
from urllib.parse import quote

from parley.core.errors import Findings, ParleyError, did_you_mean
from parley.core.file_names import spellings
from parley.core.files import is_web_url, mistaken_for
from parley.core.tables import stream_table, write_table
from parley.core.tar_headers import is_file, members_of
from parley.dataset.archives import NOT_REGULAR, TAR, nested_tars, why_not_read
from parley.dataset.class_set import ImageClass
from parley.dataset.image_signatures import HEAD_BYTES, HIDDEN
from parley.dataset.left_out import log_skipped_files
from parley.dataset.listing import storable
from parley.dataset.sources.archive import store_of, stored, template_problems
from parley.dataset.sources.base import EntrySource, SourceOptions, file_facts

logger = logging.getLogger(__name__)
MOST_SUGGESTIONS = 10
"""Maximum number of classes without a folder or tar for which a similar one is suggested."""


class _OnePerClass(EntrySource):
    """Base class of sources with one folder or tar per class in the root, named after the class or its wnid."""

    needs_keys: ClassVar[tuple[str, ...]] = ("root",)
    what: ClassVar[str]
    suffix: ClassVar[str] = ""

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return a sentence if the root is no folder, and one for each class without exactly one folder or tar."""
        root = self.options.root
        if root is None:
            return [f"A source of kind {self.options.kind!r} needs `root`, the folder that contains its images."]
        found = self._root_problems()
        for image_class in classes if not found else ():
            names, existing = self._names(image_class), self._existing(image_class)
            link = next((root / name for name in names if not existing and (root / name).is_symlink()), None)
            if link is not None:
                found.append(
                    f"Class {image_class.name!r}: {link} is a broken link to {link.readlink()}; correct or remove it."
                )
            elif not existing:
                # In a large root, suggestions take seconds.
                hint = _suggestion(root, names) if len(found) < MOST_SUGGESTIONS else ""
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
            for name in self._existing(image_class)[:1]:
                yield image_class.name, (self.options.root or Path()) / name

    def _existing(self, image_class: ImageClass) -> list[str]:
        """Return the names of the class's folders or tars, as the file system has them: composed or decomposed."""
        names = map(spellings, self._names(image_class))
        return [name for forms in names for name in list(filter(self._exists, forms))[:1]]

    def _exists(self, name: str) -> bool:
        return ((self.options.root or Path()) / name).exists()

    def _names(self, image_class: ImageClass) -> list[str]:
        return [f"{name}{self.suffix}" for name in dict.fromkeys((image_class.name, image_class.wnid)) if name]


def _suggestion(root: Path, names: Sequence[str]) -> str:
    """Return advice if a class is one folder deeper, as in an unpacked archive, or has a similar name."""
    deeper = next((path for name in names for path in root.glob(f"*/{glob.escape(name)}")), None)
    if deeper:
        return f"is the root {deeper.parent}?"
    return did_you_mean(names[0], sorted(path.name for path in root.iterdir()))


class Folder(_OnePerClass):
    """Source of all images below each class's folder, at any depth, sorted by path."""

    label = "a folder of images"
    what = "folder"

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of the names, sizes and modification times of the images in the class folders."""
        names = (name for _, folder in self._paths(classes) for name in self._images(folder))
        facts = file_facts(self.options.root or Path(), names)
        return self._digest_of([image_class.name for image_class in classes], list(facts))

    def _images(self, path: Path) -> Iterator[str]:
        return (
            f"{path.name}/{name}"
            for name in self._files_below(path)
            if self._is_image(name, partial(_head, f"{path}/{name}"), f"{path.name}/{name}")
        )

    def _files_below(self, folder: Path, above: str = "") -> Iterator[str]:
        """Yield the relative paths of the files below a class's folder, sorted component by component.

        Keeps the names of one folder per level in memory. Skips names that start with a dot, such as macOS's `._`
        files, and symbolic links to folders, and counts them.
        """
        try:
            with os.scandir(folder / above) as entries:
                found = sorted((one.name, _is_folder(one), one.is_symlink()) for one in entries)
        except OSError as error:
            path = folder / above
            raise ParleyError(
                f"{path} cannot be read as a folder ({error.strerror}); check that it is a folder you may read."
            ) from error
        for name, is_folder, is_link in found:
            if name.startswith("."):
                self.skipped_files.add(HIDDEN, f"{folder.name}/{above}{name}")
            elif not is_folder:
                yield above + name
            elif is_link:
                self.skipped_files.add("links to folders", f"{folder.name}/{above}{name}")
            else:
                yield from self._files_below(folder, f"{above}{name}/")


class Tars(_OnePerClass):
    """Source of the images in each class's tar, as distributed by ILSVRC; an address is `<tar>!<member>`.

    The tars are in a folder, in one tar of tars, or on the web. An image has the same address in all three.
    """

    label = "tars of images"
    what = "tar"
    needs_keys: ClassVar[tuple[str, ...]] = ()
    suffix = ".tar"

    def __init__(self, options: SourceOptions) -> None:
        super().__init__(options)
        if options.locations:
            self.needs_listing, self.listable_before_jobs = True, False

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return the problems with the settings, and a sentence for each class without exactly one local tar."""
        root, locations = self.options.root, self.options.locations
        if (root is None) == (not locations):
            return ["A source of kind 'tars' needs either source.tars.root, a folder or tar, or source.tars.url."]
        if locations:
            found = [f"source.tars.url: {one!r} is not an http(s) URL." for one in locations if not is_web_url(one)]
            return found + template_problems(classes, locations, "source.tars.url")
        if root is None or not root.is_file():
            return super().check(classes)
        return [
            f"Class {one.name!r} has no tar {' or '.join(self._names(one))} in {root}; add it or take the class out."
            for one in classes
            if not self._existing(one)
        ]

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of the names, sizes and modification times of the tars, or of the first URL."""
        if self.options.locations:
            named = [(image_class.name, image_class.wnid) for image_class in classes]
            return self._digest_of(self.options.locations[0], named)
        root, tars = self.options.root or Path(), [(name, tar.name) for name, tar in self._paths(classes)]
        if root.is_file():
            status = root.stat()
            return self._digest_of([(*one, status.st_size, status.st_mtime_ns) for one in tars])
        facts = file_facts(root, [tar for _, tar in tars])
        return self._digest_of([(name, *of_tar) for (name, _), of_tar in zip(tars, facts, strict=True)])

    def provide(self, classes: Sequence[ImageClass]) -> Path | None:
        """Return the folder or tar that contains the tars; tars on the web are downloaded by `archive_downloader`."""
        return self._store if self.options.locations else self.options.root

    def archive_downloader(self, classes: Sequence[ImageClass]) -> Callable[[str], object] | None:
        """Return a function that downloads the tar of a class, given its name, if there is no copy."""
        named = {self._stored_name(image_class): image_class for image_class in classes}
        return (lambda name: self._download(named[name])) if self.options.locations else None

    def store(self) -> Path | None:
        """Return the folder of the downloaded tars; None if the tars are local."""
        return self._store if self.options.locations else None

    def release(self, classes: Sequence[ImageClass]) -> None:
        """Remove the downloaded tars of classes whose images have been fetched, unless they are to be kept."""
        if self.options.locations and not self.options.keep:
            for image_class in classes:
                (self._store / self._stored_name(image_class)).unlink(missing_ok=True)

    def entries(self, classes: Sequence[ImageClass]) -> Iterator[tuple[str, str]]:
        """Yield the class name and address of each image. The names in a downloaded tar are kept next to it."""
        if not self.options.locations:
            yield from super().entries(classes)
            return
        findings = Findings()
        for image_class in classes:
            names = self._store / f"{self._stored_name(image_class)}.tsv"
            try:
                if not names.is_file():
                    write_table(names, ["address"], ([storable(image)] for image in self._downloaded(image_class)))
            except ParleyError as error:
                findings.extend(f"Class {image_class.name!r}: {sentence}" for sentence in error.findings)
            else:
                yield from ((image_class.name, address) for (address,) in stream_table(names, ["address"]))
        log_skipped_files(logger, self.skipped_files)
        findings.raise_if_any()

    def _downloaded(self, image_class: ImageClass) -> list[str]:
        """Return the addresses of the images in a class's tar, which is downloaded unless there is a copy."""
        tar = self._download(image_class)
        try:
            return list(self._images(tar))
        except ParleyError as error:
            if not isinstance(error.__cause__, tarfile.TarError):
                raise
            tar.unlink(missing_ok=True)
            raise ParleyError(f"{tar} was damaged ({error.__cause__}), and is removed; run again to get it.") from error

    def _images(self, path: Path) -> Iterator[str]:
        try:
            outer, span = (path.parent, self._nested[path.name]) if path.parent.is_file() else (path, None)
            with outer.open("rb") as stream:
                members = (one for one in members_of(outer, span) if not one.isdir())
                names = sorted(one.name for one in members if self._holds_image(stream, one, path.name))
        except (tarfile.TarError, OSError) as error:
            raise ParleyError(why_not_read(path, error, "tar", mistaken_for)) from error
        yield from (f"{path.name}!{name}" for name in names)

    def _holds_image(self, stream: BinaryIO, member: tarfile.TarInfo, tar: str) -> bool:
        address = f"{tar}!{member.name}"
        if not is_file(member):
            self.skipped_files.add(NOT_REGULAR, address)
            return False
        head = partial(os.pread, stream.fileno(), min(member.size, HEAD_BYTES), member.offset_data)
        return self._is_image(member.name, head, address)

    def _exists(self, name: str) -> bool:
        root = self.options.root
        return name in self._nested if root is not None and root.is_file() else super()._exists(name)

    @cached_property
    def _nested(self) -> dict[str, tuple[int, int]]:
        """Offset and size of each tar in the tar that is the root, by name."""
        root = self.options.root or Path()
        try:
            return nested_tars(root)
        except (tarfile.TarError, OSError) as error:
            raise ParleyError(why_not_read(root, error, "tar of tars", mistaken_for)) from error

    @property
    def _store(self) -> Path:
        return store_of(self.options.store, self.options.locations[0])

    def _stored_name(self, image_class: ImageClass) -> str:
        return f"{image_class.wnid or image_class.name}{self.suffix}"

    def _download(self, image_class: ImageClass) -> Path:
        locations = [
            one.replace("{wnid}", image_class.wnid).replace("{class}", quote(image_class.name))
            for one in self.options.locations
            if image_class.wnid or "{wnid}" not in one
        ]
        stem = self._stored_name(image_class).removesuffix(self.suffix)
        return stored(locations, self._store, stem, self.options, kinds=[TAR])


def _is_folder(one: os.DirEntry[str]) -> bool:
    try:
        return one.is_dir()
    except OSError:  # A link to itself.
        return False


def _head(path: str) -> bytes:
    """Return the first bytes of a file; raise OSError if it is none, such as a pipe, which could block."""
    # Half the time of `Path.open`, for perhaps 100,000 files. Opening a pipe returns at once.
    stream = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(stream).st_mode):
            raise OSError(f"{path} is not a regular file")
        return os.read(stream, HEAD_BYTES)
    finally:
        os.close(stream)
