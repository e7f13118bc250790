"""Read the headers of tars that others wrote, in bounded time and memory."""

import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 1 << 20
MOST_HEADER_BYTES = 1 << 20
"""Maximum size of the headers of one member. A long name takes two or three blocks of 512 bytes."""


def is_file(member: tarfile.TarInfo) -> bool:
    """Return whether a member is a regular file whose bytes are stored unchanged, neither a link nor sparse."""
    return member.isreg() and not member.issparse()


def members_of(path: str | Path, span: tuple[int, int] | None = None) -> Iterator[tarfile.TarInfo]:
    """Yield the headers of an uncompressed tar's members, with one in memory at a time; `tarfile` would keep all.

    Parameters
    ----------
    path
        Path of the file.
    span
        Offset and size of the tar in the file, in bytes, if it is a member of another tar; None for the whole file.

    Raises
    ------
    tarfile.TarError
        If the tar is damaged, ends early, or has headers that `tarfile` cannot read in bounded time and memory.
    """
    start, size = span or (0, Path(path).stat().st_size)
    with _HeaderStream(io.FileIO(path)) as stream:
        stream.seek(start)
        yield from _headers(stream, start + size)


def stream_files(
    raw: io.BufferedIOBase, most_bytes: int = sys.maxsize
) -> Iterator[tuple[tarfile.TarInfo, Iterator[bytes]]]:
    """Yield the header and the bytes, in chunks, of each member of a tar that is not a folder, in one pass.

    Members that are not regular files, such as links, have no bytes.

    Parameters
    ----------
    raw
        The tar, such as a file that is decompressed on the way.
    most_bytes
        Maximum size of the tar.

    Raises
    ------
    tarfile.TarError
        As `members_of` does.
    """
    with _HeaderStream(raw, CHUNK_BYTES) as stream:
        for member in _headers(stream, most_bytes):
            if not member.isdir():
                yield member, _chunks(stream, member if is_file(member) else tarfile.TarInfo())


def _headers(stream: "_HeaderStream", end: int) -> Iterator[tarfile.TarInfo]:
    """Yield the headers of the tar that starts at the stream's position, and ends before byte `end`."""
    try:
        with tarfile.TarFile(fileobj=stream) as tar:
            while (member := tar.next()) is not None:
                if member.size < 0 or (is_file(member) and member.offset_data + member.size > end):
                    raise tarfile.ReadError(f"{member.name} has {member.size} bytes, more than the file has left")
                yield member
                tar.members.clear()  # type: ignore[attr-defined]
                stream.left = MOST_HEADER_BYTES
                if tar.offset > end:
                    raise tarfile.ReadError("unexpected end of data")
                if tar.offset == end:
                    return
            stream.seek(tar.offset)
            if stream.read(tarfile.BLOCKSIZE).strip(b"\0"):  # `tarfile` takes a damaged header for the end.
                raise tarfile.ReadError(f"damaged header at byte {tar.offset}")
    # A chain of headers that describe each other raises RecursionError; sizes that are not numbers raise the others.
    except (RecursionError, ValueError, OverflowError) as error:
        raise tarfile.ReadError(f"damaged header ({type(error).__name__}: {error})") from error


def _chunks(stream: "_HeaderStream", member: tarfile.TarInfo) -> Iterator[bytes]:
    left = member.size
    while left:
        chunk = stream.take(min(left, CHUNK_BYTES))
        if not chunk:
            raise tarfile.ReadError(f"{member.name} ends early")
        left -= len(chunk)
        yield chunk


class _HeaderStream(io.BufferedReader):
    """Stream that refuses to read on when the headers of a member turn out to be larger than any real one's."""

    left = MOST_HEADER_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read from the stream."""
        self.left -= MOST_HEADER_BYTES + 1 if size is None or size < 0 else size
        if self.left < 0:
            raise tarfile.ReadError(f"headers of a member exceed {MOST_HEADER_BYTES} bytes")
        return super().read(size)

    def take(self, size: int) -> bytes:
        """Read bytes that are not a header."""
        return super().read(size)
