"""Image source `archive`: one zip or tar, with templates for the paths of its images; and the store of such files."""

import logging
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from parley.core.checksums import check_checksum
from parley.core.errors import ParleyError
from parley.core.files import digest_of, expand_home, is_web_url, written_aside
from parley.dataset.archives import (
    DAMAGED,
    TAR,
    ZIP,
    Archive,
    DamagedArchiveError,
    decompress_tar,
    kind_of,
    open_archive,
    other_than_archive,
    reason_not_to_open,
    why_not_read,
)
from parley.dataset.class_set import ImageClass, match_classes
from parley.dataset.downloads import download
from parley.dataset.image_signatures import HEAD_BYTES, has_image_suffix, is_hidden
from parley.dataset.left_out import LeftOut, log_skipped_files, skipped_files_text
from parley.dataset.partial_downloads import exclusive_lock
from parley.dataset.sources.base import EntrySource, SourceOptions, file_fingerprint

logger = logging.getLogger(__name__)
IN_ARCHIVE = "archive!"
"""Prefix of paths in the config section `evaluation` that are in the source's archive."""
DOWNLOADED = ".download"
"""Suffix of an archive as downloaded; another one replaces it once the archive is whole and can be read in place."""
_MOST_TEXT_BYTES = 64 << 20
_LONGEST_NAME = 255
"""Maximum length of a file's or folder's name; file systems have the same. Patterns may take long for longer ones."""
_LONGEST_STEM_BYTES = 200
_IMAGES = "images"
_OUTSIDE = "named by paths that lead out of the archive"
_FIELDS = {"wnid", "class"}
_PIECES = re.compile(r"\{(\w*)\}|(\*)")
_SUFFIXES = re.compile(r"\.(tar(\.\w+)?|t[a-z]+[z2]|zip)$", re.IGNORECASE)


class ImageArchive(EntrySource):
    """Source of the images in one archive; an address is `<archive>!<member>`."""

    label = "an archive of images"
    needs_keys = ("locations", "members")
    listable_before_jobs = False  # It may have to be downloaded first.
    needs_listing = True

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return the problems with the settings, one sentence each."""
        locations, templates = self.options.locations, self.options.members
        found = [] if locations else ["A source of kind 'archive' needs source.archive.locations: URLs or paths."]
        if locations and not self._local and not any(map(is_web_url, locations)):
            folder = next((one for one in locations if expand_home(one).is_dir()), "")
            found.append(
                f"{folder} is a folder, not an archive; set source.archive.locations to a zip or tar, or use another "
                "source.kind, such as folder."
                if folder
                else f"The archive is not at any of its locations: {', '.join(locations)}; check the paths."
            )
        if self._local and (problem := _problem_of_local(self._local)):
            found.append(problem)
        if not templates:
            found.append("A source of kind 'archive' needs source.archive.members, such as 'images/{class}/*.jpg'.")
        return found + template_problems(classes, templates, "source.archive.members")

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of the archive, its name, which is in the keys, the templates and the classes' names."""
        named = [(image_class.name, image_class.wnid) for image_class in classes]
        return self._digest_of(self._identity, self._stem, self.options.members, named)

    def provide(self, classes: Sequence[ImageClass]) -> Path:
        """Download the archive unless there is a copy, and return its folder."""
        return self._path().parent

    def store(self) -> Path:
        """Return the folder of the downloaded archive, or of the tar made from a local compressed one."""
        return store_of(self.options.store, self._identity)

    def entries(self, classes: Sequence[ImageClass]) -> Iterator[tuple[str, str]]:
        """Yield the class and address of each image, sorted; log how many members cannot be read, and why."""
        path = self._path()
        if path == self._local:
            _check_local(path, self.options)
        self.skipped_files = LeftOut()
        try:
            found, skipped, elsewhere = self._found(path)
        except DAMAGED as error:
            if path == self._local:
                raise ParleyError(why_not_read(path, error)) from error
            raise ParleyError(f"{path} is not a complete zip or tar ({error}); remove it and run again.") from error
        for problem, count in skipped.items():
            examples = skipped.examples(problem)
            logger.warning("%s: images skipped because they are %s: %d%s.", path, problem, count, examples)
        log_skipped_files(logger, self.skipped_files, f"{path}: ")
        where = ", ".join(self.options.members)
        if not found:
            reasons = [f"its images are {', '.join(skipped)}"] if skipped else []
            reasons += [f"it has {elsewhere}{_hint(elsewhere, classes)}"] if elsewhere else []
            instead = "; ".join(reasons) or "it has no images at all"
            instead += f" ({skipped_files_text(self.skipped_files)})" if self.skipped_files else ""
            raise ParleyError(f"{path} has no image that matches source.archive.members ({where}); {instead}.")
        if number := elsewhere[_IMAGES]:
            named = elsewhere.examples(_IMAGES)
            logger.info("%s: images that match none of source.archive.members (%s): %d%s.", path, where, number, named)
        for name, labels in match_classes(classes, found.keys(), str(path)).items():
            yield from ((name, address) for address in sorted(found[labels]))

    def _found(self, path: Path) -> tuple[dict[tuple[str, ...], list[str]], LeftOut, LeftOut]:
        """Return the addresses of the images by label, unreadable members, and members that match no template."""
        patterns = [_pattern(template) for template in self.options.members]
        found: dict[tuple[str, ...], list[str]] = {}
        skipped, elsewhere = LeftOut(), LeftOut()
        for archive, name, problem in _members(path):
            own = name.rpartition("/")[2]
            is_long = max(map(len, name.split("/"))) > _LONGEST_NAME
            label = None if is_long else next((match[1] for one in patterns if (match := one.fullmatch(name))), None)
            if label is not None and not problem:
                if self._is_image(own, partial(archive.read, name, HEAD_BYTES), name):
                    found.setdefault((label,), []).append(f"{path.name}!{name}")
            elif has_image_suffix(name) and not is_hidden(own):
                if is_long:
                    problem = f"in paths with a name of more than {_LONGEST_NAME} characters"
                if is_long or label is not None:
                    skipped.add(problem, name)
                else:
                    elsewhere.add(_IMAGES, name)
            elif label is None and not is_hidden(own):
                elsewhere.add("other files", name)
        return found, skipped, elsewhere

    def unpack(self, member: str) -> Path:
        """Copy a file of the archive, such as a table of attributes, into the folder of stored archives."""
        path = self._path()
        try:
            archive = open_archive(path)
            size = archive.size_of(member)
            if size is None:
                raise ParleyError(f"{path} does not have {member}; correct {IN_ARCHIVE}{member} in the config.")
            if size > _MOST_TEXT_BYTES:
                raise ParleyError(
                    f"{member} has {size:,} bytes in {path}, more than the {_MOST_TEXT_BYTES:,} that are read from an "
                    "archive; extract it, and give the path of the copy."
                )
            body = archive.read(member)
        except DAMAGED as error:
            advice = "copy the archive again" if path == self._local else f"remove {path} and run again"
            raise ParleyError(f"{member} cannot be read from {path} ({error}); {advice}.") from error
        copy = self.store() / "files" / digest_of(member) / PurePosixPath(member).name
        copy.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(copy) as aside:
            aside.write_bytes(body)
        return copy

    @property
    def _local(self) -> Path | None:
        """The first local path that exists."""
        paths = (expand_home(one) for one in self.options.locations if not is_web_url(one))
        return next((path for path in paths if path.is_file()), None)

    @property
    def _identity(self) -> str:
        """Identity of the archive: its checksum or, without one, its content or first address."""
        if self.options.checksum:
            return self.options.checksum.lower()
        return file_fingerprint(self._local) if self._local else "".join(self.options.locations[:1])

    def _path(self) -> Path:
        if self._local and kind_of(self._local):
            return self._local
        locations = [str(self._local)] if self._local else self.options.locations
        return stored(locations, self.store(), self._stem, self.options)

    @property
    def _stem(self) -> str:
        """Name of the archive without its suffix: that of the local file or else of the first mirror."""
        first = "".join(self.options.locations[:1])
        stem = _SUFFIXES.sub("", self._local.name if self._local else PurePosixPath(unquote(urlsplit(first).path)).name)
        is_name = stem.isprintable() and 0 < len(stem.encode()) <= _LONGEST_STEM_BYTES
        return stem if is_name else "archive"


def store_of(store: Path, identity: str) -> Path:
    """Return the folder of stored archives with an identity, a text that names their content."""
    return store / digest_of(identity)


def stored(
    locations: Sequence[str], folder: Path, stem: str, options: SourceOptions, kinds: Sequence[str] = (TAR, ZIP)
) -> Path:
    """Return the path of a zip or uncompressed tar in a folder; if it is missing, download it, and decompress a tar.

    Parameters
    ----------
    locations
        URLs and local paths, in the order in which to try them.
    folder, stem
        Folder of the file, and its name without suffix.
    options
        Settings of the source, with the checksum and size of the file as downloaded.
    kinds
        Kinds of archive that are accepted, `TAR` first.
    """
    paths = [folder / f"{stem}{kind}" for kind in kinds]
    if not any(path.is_file() for path in paths):
        with exclusive_lock(folder / stem):
            if any(path.is_file() for path in paths):  # Another process has just made it.
                pass
            elif not is_web_url(locations[0]) and (local := Path(locations[0])).is_file():
                _check_local(local, options)
                decompress_tar(local, paths[0])
            else:
                _store_downloaded(list(locations), folder / f"{stem}{DOWNLOADED}", options, kinds)
    return next(path for path in paths if path.is_file())


def _store_downloaded(locations: list[str], packed: Path, options: SourceOptions, kinds: Sequence[str]) -> None:
    """Download and store a file from the first location that gives an archive, and not a page that asks for a login.

    `packed` is the path of the file as downloaded. If it exists, an earlier process stopped before storing the archive.
    """
    refused: list[str] = []
    while locations:
        try:
            location = str(packed)
            if not packed.is_file():
                location = download(
                    locations,
                    packed,
                    options.checksum,
                    size=options.size_bytes,
                    allow_private_hosts=options.allow_private_hosts,
                    timeout_s=options.read_timeout_s,
                )
            reason = _store(packed, kinds)
        except ParleyError as error:
            raise ParleyError([*refused, *error.findings]) from error
        if not reason:
            return
        packed.unlink()
        wanted = " or ".join(kind[1:] for kind in reversed(kinds))
        refused.append(f"{location} gave no {wanted} ({reason}); check the address, and whether it needs a login.")
        logger.warning(refused[-1])
        # Those before it may not have been tried: a location from which bytes are kept comes first.
        tried = locations.index(location) if location in locations else len(locations)
        locations = locations[tried + 1 :] + locations[:tried]
    raise ParleyError(refused)


def _store(packed: Path, kinds: Sequence[str]) -> str:
    """Give a downloaded zip or tar its name, or make a plain tar of a compressed one; return why it is none of them."""
    if kind := kind_of(packed):
        if kind not in kinds:
            return f"it is a {kind[1:]} file"
        if not (reason := reason_not_to_open(packed)):
            packed.replace(packed.with_suffix(kind))
        return reason
    try:
        decompress_tar(packed, packed.with_suffix(TAR))
    except DamagedArchiveError as error:
        return str(error.__cause__)
    packed.unlink()
    return ""


def template_problems(classes: Sequence[ImageClass], templates: Sequence[str], key: str) -> list[str]:
    """Return the problems with the templates of a config key, which must contain `{wnid}` or `{class}`."""
    found = []
    for template in templates:
        names = {name for name, star in _PIECES.findall(template) if not star}
        if unknown := sorted(names - _FIELDS):
            found.append(f"{key}: {template!r} has the placeholder {{{unknown[0]}}}; use {{wnid}} or {{class}}.")
        elif len(names) != 1:
            found.append(f"{key}: {template!r} must contain either {{wnid}} or {{class}}.")
    if templates and all("{wnid}" in template for template in templates):
        found += [
            f"Class {one.name!r} has no wnid, but {key} identifies classes by their wnids; add it, or use {{class}}."
            for one in classes
            if not one.wnid
        ]
    return found


def _pattern(template: str) -> re.Pattern[str]:
    """Return the pattern of the paths that a template describes. `*` stands for any text within a component."""
    pattern, seen, start = "", False, 0
    for piece in _PIECES.finditer(template):
        pattern += re.escape(template[start : piece.start()])
        start = piece.end()
        pattern += "[^/]*" if piece[2] else (r"\1" if seen else "([^/]+)")
        seen = seen or not piece[2]
    return re.compile(r"(?:\./)?" + pattern + re.escape(template[start:]))


def _hint(elsewhere: LeftOut, classes: Sequence[ImageClass]) -> str:
    """Return advice with a template for images that match none, if their path has a folder named after a class."""
    names = {one.name: "{class}" for one in classes} | {one.wnid: "{wnid}" for one in classes if one.wnid}
    for image in elsewhere.names(_IMAGES):
        *folders, _ = image.split("/")
        if named := [at for at, folder in enumerate(folders) if folder in names]:
            folders[named[0]] = names[folders[named[0]]]
            return f"; the template for these is {'/'.join([*folders, '*'])}"
    return ""


def _members(path: Path) -> Iterator[tuple[Archive, str, str]]:
    """Yield the archive, the name of each member, and why it cannot be read or ""; raise one of `DAMAGED`."""
    archive = open_archive(path)
    for member in archive.members():
        outside = member.name.startswith("/") or ".." in member.name.split("/")
        yield archive, member.name, member.problem or (_OUTSIDE if outside else "")


def _problem_of_local(path: Path) -> str:
    """Return an error message if a local file is not an archive or has a wrong suffix; otherwise an empty string.

    Reads only the first bytes of the file, unless they do not match its suffix.
    """
    kind = kind_of(path)
    is_named = not kind or path.suffix.lower() == kind
    if reason := other_than_archive(path)[0] or ("" if is_named else reason_not_to_open(path)):
        return why_not_read(path, reason)
    return "" if is_named else f"{path} is a {kind[1:]} file, but its name does not end with {kind}; rename it."


def _check_local(path: Path, options: SourceOptions) -> None:
    """Raise `ParleyError` if an archive that was not downloaded has another size or checksum than the config says."""
    expected, found = options.size_bytes, path.stat().st_size
    if expected not in (None, found):
        raise ParleyError(
            f"{path} has {found:,} bytes, not {expected:,}; correct source.archive.size, or remove the file to have "
            "it downloaded again."
        )
    check_checksum(path, options.checksum)
