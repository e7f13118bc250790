"""Read the members of zips and tars in place, and make compressed tars, which allow no random access, plain."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from parley.core.errors import ParleyError
from parley.core.files import mistaken_for, written_aside
from parley.core.progress import BYTE, Progress
from parley.core.tar_headers import CHUNK_BYTES, is_file, members_of, stream_files

DAMAGED = (
    *(OSError, EOFError, ValueError, RuntimeError, struct.error),
    *(zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile),
)
"""Exceptions raised by damaged and hostile archives; `zipfile` raises RuntimeError for what it cannot unpack."""
TAR, ZIP = ".tar", ".zip"
NOT_REGULAR = "links, devices or sparse files"
IN_TAR_OR_ZIP = re.compile(r"(.*?\.(?:tar|zip))!(.*)", re.IGNORECASE | re.DOTALL)
"""Pattern of the address of an image in an archive: the path of a tar or zip, `!`, and the member's name."""
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_READ_STARTS = (_GZIP, _BZIP2, _XZ, *_ZIP_STARTS)
_TAR_MAGIC_AT, _TAR_MAGIC = 257, b"ustar"
_MOST_DIRECTORY_BYTES = 256 << 20  # that of a zip with a million members is half as large
_MOST_UNFOLDING = 50
_MOST_XZ_BYTES = 256 << 20  # `xz -9` makes files that need 65 MiB
_SPARE_BYTES = 1 << 30
_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 0x1
_MADE_ON_WINDOWS = 0


class DamagedArchiveError(ParleyError):
    """Raised if an archive cannot be read."""


class Member(NamedTuple):
    """A file in an archive. `problem` is why it cannot be read; empty if it can."""

    name: str
    size: int
    problem: str


class Archive(ABC):
    """An archive that is read in place. Of several members with one name, the last counts, as in unpacking."""

    @abstractmethod
    def members(self) -> Iterator[Member]:
        """Yield the members that are not folders, in the archive's order."""

    @abstractmethod
    def size_of(self, name: str) -> int | None:
        """Return the size of a member in bytes; None if the archive has no such file."""

    @abstractmethod
    def read(self, name: str, most: int = sys.maxsize) -> bytes:
        """Return the bytes of a member, at most the first `most`; safe to call from several threads."""


class TarArchive(Archive):
    """An uncompressed tar. `span` is its offset and size in the file if it lies in another tar."""

    def __init__(self, path: Path, span: tuple[int, int] | None = None) -> None:
        self._path, self._span = path, span
        self._stream = path.open("rb")

    def members(self) -> Iterator[Member]:
        """Yield the members that are not folders."""
        for member in members_of(self._path, self._span):
            if not member.isdir():
                yield Member(member.name, member.size, "" if is_file(member) else NOT_REGULAR)

    def size_of(self, name: str) -> int | None:
        """Return the size of a member in bytes; None if the archive has no such file."""
        span = self._spans.get(name)
        return None if span is None else span[1]

    def read(self, name: str, most: int = sys.maxsize) -> bytes:
        """Return the bytes of a member."""
        offset, size = self._spans[name]
        return os.pread(self._stream.fileno(), min(size, most), offset)

    @cached_property
    def _spans(self) -> dict[str, tuple[int, int]]:
        members = filter(is_file, members_of(self._path, self._span))
        return {member.name: (member.offset_data, member.size) for member in members}


class ZipArchive(Archive):
    """A zip. Only its directory is kept in memory."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(_Bounded(io.FileIO(path)))

    def members(self) -> Iterator[Member]:
        """Yield the members that are not folders."""
        for info in self._files:
            yield Member(_name_of(info), info.file_size, _problem_of(info))

    def size_of(self, name: str) -> int | None:
        """Return the size of a member in bytes; None if the archive has no such file."""
        info = self._infos.get(name)
        return None if info is None else info.file_size

    def read(self, name: str, most: int = sys.maxsize) -> bytes:
        """Return the bytes of a member. `zipfile` stops at the size in the directory, and checks the CRC."""
        with self._zip.open(self._infos[name]) as stream:
            return stream.read(min(self._infos[name].file_size, most))

    @cached_property
    def _infos(self) -> dict[str, zipfile.ZipInfo]:
        return {_name_of(info): info for info in self._files if not _problem_of(info)}

    @property
    def _files(self) -> Iterator[zipfile.ZipInfo]:
        # `ZipInfo.is_dir` fails for an empty name.
        return (info for info in self._zip.infolist() if not _name_of(info).endswith("/"))


class _Bounded(io.BufferedReader):
    """Stream that refuses a read of more bytes than a zip's directory may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read from the stream."""
        if size is not None and size > _MOST_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its directory claims {size} bytes")
        return super().read(size)


def _name_of(info: zipfile.ZipInfo) -> str:
    """Return a member's name. Some programs write UTF-8 without the flag for it, or backslashes."""
    name = info.filename
    if not info.flag_bits & _UTF8_FLAG and not name.isascii():
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/") if info.create_system == _MADE_ON_WINDOWS else name


def _problem_of(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ENCRYPTED_FLAG:
        return "encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return NOT_REGULAR
    # Other methods are rare, and `zipfile` would unpack them into any amount of memory.
    return "" if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) else "neither stored nor deflated"


def open_archive(path: Path, span: tuple[int, int] | None = None) -> Archive:
    """Open a zip or an uncompressed tar; raise one of `DAMAGED` if it cannot be read."""
    return ZipArchive(path) if span is None and kind_of(path) == ZIP else TarArchive(path, span)


def kind_of(path: Path) -> str:
    """Return `TAR` or `ZIP`, judging by the first bytes of a file; an empty string if it is a compressed tar."""
    with path.open("rb") as stream:
        start = stream.read(512)
    if start.startswith((_GZIP, _BZIP2, _XZ)):
        return ""
    if start.startswith(_ZIP_STARTS):
        return ZIP
    return ZIP if not start[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC) and zipfile.is_zipfile(path) else TAR


def reason_not_to_open(path: Path) -> str:
    """Return why a file is no complete zip or uncompressed tar, judging by its headers; empty if it is one."""
    try:
        for _ in open_archive(path).members():
            pass
    except DAMAGED as error:
        kind, _ = other_than_archive(path)
        return f"it is {kind}" if kind else str(error)
    return ""


def other_than_archive(path: Path) -> tuple[str, str]:
    """Return the kind of a file that is not a zip or tar, and advice; empty strings for a zip or tar."""
    with path.open("rb") as stream:
        start = stream.read(512)
    if start.startswith(_READ_STARTS) or start[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
        return "", ""
    kind, fix = mistaken_for(path)
    return kind, f"{fix}, and make a zip or tar of its files" if kind.endswith("archive") else fix


def why_not_read(
    path: Path,
    error: object,
    what: str = "zip or tar",
    other: Callable[[Path], tuple[str, str]] = other_than_archive,
) -> str:
    """Return an error message for a user's file that cannot be read as an archive, with its kind and advice."""
    kind, fix = other(path)
    if kind:
        return f"{path} is not a {what}: it is {kind}; {fix or 'copy the right file there'}."
    return f"{path} is not a complete {what} ({error}); copy it again."


def nested_tars(path: Path) -> dict[str, tuple[int, int]]:
    """Return the offset and size of each tar in a tar, by file name; raise one of `DAMAGED` if they are unknown."""
    members = (member for member in members_of(path) if is_file(member) and member.name.endswith(TAR))
    spans = {member.name: (member.offset_data, member.size) for member in members}
    found: dict[str, str] = {}
    for member in spans:
        if (first := found.setdefault(PurePosixPath(member).name, member)) != member:
            raise tarfile.ReadError(f"it has both {first} and {member}")
    return {name: spans[member] for name, member in found.items()}


def decompress_tar(source: Path, destination: Path) -> None:
    """Write the files of a compressed tar to an uncompressed tar, in one pass and little memory.

    Links, devices and sparse files become links to nothing, so that they can be counted.

    Raises
    ------
    DamagedArchiveError
        If the tar is damaged, or unpacks to 50 times its size and more.
    ParleyError
        If the disk is full.
    """
    most_bytes = source.stat().st_size * _MOST_UNFOLDING + _SPARE_BYTES
    try:
        with (
            _decompressed(source) as raw,
            written_aside(destination) as aside,
            aside.open("wb") as target,
            Progress(f"unpacking {source.name}", None, BYTE) as progress,
        ):
            for member, chunks in stream_files(raw, most_bytes):
                header = tarfile.TarInfo(member.name)
                header.size = member.size if is_file(member) else 0
                header.type = tarfile.REGTYPE if is_file(member) else tarfile.SYMTYPE
                target.write(header.tobuf(tarfile.PAX_FORMAT))
                for chunk in chunks:
                    target.write(chunk)
                    progress.advance(len(chunk))
                target.write(bytes(-header.size % tarfile.BLOCKSIZE))
            target.write(bytes(2 * tarfile.BLOCKSIZE))
    except DAMAGED as error:
        raise DamagedArchiveError(f"{source} is a truncated or damaged archive ({error}); copy it again.") from error


def _decompressed(path: Path) -> io.BufferedIOBase:
    with path.open("rb") as stream:
        start = stream.read(8)
    if start.startswith(_GZIP):
        return gzip.GzipFile(path)
    return bz2.BZ2File(path) if start.startswith(_BZIP2) else io.BufferedReader(_Xz(path), CHUNK_BYTES)


class _Xz(io.RawIOBase):
    """The content of an .xz file. `lzma.LZMAFile` would take as much memory as the file asks for, up to 4 GiB."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._begin()

    def _begin(self) -> None:
        self._at = 0
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_XZ_BYTES)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Read up to a position, from the beginning if it has been passed."""
        if offset < self._at:
            self._file.seek(0)
            self._begin()
        while self._at < offset and self.read(min(offset - self._at, CHUNK_BYTES)):
            pass
        return self._at

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """Read from the stream."""
        while True:
            if self._decoder.eof:  # Another stream may follow, after zeros.
                packed = self._decoder.unused_data.lstrip(b"\0")
                while not packed and (more := self._file.read(CHUNK_BYTES)):
                    packed = more.lstrip(b"\0")
                if not packed:
                    return 0
                self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_XZ_BYTES)
            else:
                packed = self._file.read(CHUNK_BYTES) if self._decoder.needs_input else b""
                if self._decoder.needs_input and not packed:
                    raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            if unpacked := self._decoder.decompress(packed, len(target)):
                target[: len(unpacked)] = unpacked
                self._at += len(unpacked)
                return len(unpacked)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
