"""Stream text from a tar, a gzipped tar, a gzip file or a plain file; the format is detected from its bytes."""

import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from parley.core.errors import ParleyError

CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_OTHER_MAGIC = {b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"7z\xbc\xaf": "7-Zip"}
_AUTOMATIC_HEADER = 16 + zlib.MAX_WBITS  # zlib reads the gzip header, and checks the CRC, itself.


class _Gunzip(io.RawIOBase):
    """A readable stream over consecutive gzip members, in large chunks.

    Python's own `gzip` reads 8 KiB at a time and computes the CRC in a second pass.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._member = zlib.decompressobj(_AUTOMATIC_HEADER)
        self._input = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Fill the whole buffer, so that a short read means the end of the stream."""
        filled = 0
        while filled < len(buffer):
            if self._member.eof and not self._next_member():
                break
            waiting = self._member.unconsumed_tail or self._input or self._source.read(CHUNK_BYTES // 4)
            if not waiting:
                raise EOFError("the compressed data ends early")
            self._input = b""
            chunk = self._member.decompress(waiting, len(buffer) - filled)
            buffer[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        return filled

    def _next_member(self) -> bool:
        """Move to the next gzip member; zero padding or the end of the file ends the stream."""
        rest = self._member.unused_data.lstrip(b"\0") or self._source.read(CHUNK_BYTES // 4).lstrip(b"\0")
        if not rest:
            return False
        self._member, self._input = zlib.decompressobj(_AUTOMATIC_HEADER), rest
        return True


def text_chunks(path: str | Path) -> Iterator[bytes]:
    """Yield the bytes of the text in a file, in chunks of about a MiB.

    For a tar, gzipped or not, yield its regular files one after another. Skip files whose name begins with a dot,
    such as macOS's `._` companions.

    Raises
    ------
    ParleyError
        If the file is missing, or is a truncated or corrupt archive.
    """
    try:
        with Path(path).open("rb") as source:
            stream: io.BufferedReader = source
            _refuse_other_kinds(path, source.peek(8))
            if source.peek(2).startswith(_GZIP_MAGIC):
                stream = io.BufferedReader(_Gunzip(source), CHUNK_BYTES)
            if stream.peek(512)[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
                yield from _tar_chunks(stream)
            else:
                yield from _chunks(stream)
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except (EOFError, zlib.error, tarfile.TarError) as error:
        raise ParleyError(
            f"{path} is a truncated or corrupt archive ({error}); remove it and run again to fetch it anew."
        ) from error


def _refuse_other_kinds(path: str | Path, head: bytes) -> None:
    for magic, kind in _OTHER_MAGIC.items():
        if head.startswith(magic):
            raise ParleyError(f"{path} is a {kind} file; give a tar, a gzipped tar, a gzip file or plain text.")


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _tar_chunks(stream: BinaryIO) -> Iterator[bytes]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK_BYTES) as archive:
        for member in archive:
            if not member.isreg() or Path(member.name).name.startswith("."):
                continue
            opened = archive.extractfile(member)
            if opened is None:
                continue
            left, chunk = member.size, b""
            while more := opened.read(CHUNK_BYTES):
                left, chunk = left - len(more), more
                yield chunk
            if left:
                raise EOFError(f"{member.name} ends early")
            if chunk and not chunk.endswith(b"\n"):
                yield b"\n"  # A file without a final newline must not run into the next one.
