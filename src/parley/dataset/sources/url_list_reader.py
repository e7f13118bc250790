"""Read ImageNet's URL list: `nXXXXXXXX_N<TAB>URL` a line, 14 million of them, filtered in one pass."""

from __future__ import annotations

import io
import itertools
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from parley.core.errors import ParleyError
from parley.dataset.listing import LONGEST_BYTES, Listing, ListingBuilder, ParseIssue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
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


_NEWLINE, _TAB, _QUOTE, _UNDERSCORE, _LETTER = 10, 9, 34, 95, 110
_FIRST_PLAIN = 35  # below are white space, control characters, `!` and `"`
_WNID_LENGTH = 9
_WITH_CARE = -1


def filter_list(
    path: str | Path,
    wnids: Collection[str],
    filter_url: str = "",
    most: int | None = None,
    is_readable: Callable[[str], bool] = bool,
) -> Listing:
    """Pick the addresses of some synsets out of a list, streaming.

    Dirt that makes a line unreadable is counted over the whole list, all other dirt among the lines
    of the synsets asked for.

    Parameters
    ----------
    path
        The list: plain text, gzip, tar or gzipped tar.
    wnids
        The synsets wanted. Memory is bounded by the addresses kept, not by the list.
    filter_url
        Only addresses that hold this text, as `static.flickr`; empty for all.
    most
        The first so many addresses a synset; None for all.
    is_readable
        Says whether an address is of a kind that can be read; as given, all are.

    Raises
    ------
    ParleyError
        When the file is missing, or a truncated or corrupt archive.
    """
    import numpy as np

    ordered = sorted(set(wnids), key=_digits)
    reader = _LineReader(ordered, filter_url, most, is_readable)
    wanted = np.array([_digits(wnid) for wnid in ordered], dtype=np.uint64)
    for block in _whole_lines(_ahead(text_chunks(path))):
        lines, notable = _notable_lines(block, wanted)
        reader.listing.lines += lines
        # Lines of a synset mostly stand together.
        for place, rows in itertools.groupby(notable, key=itemgetter(0)):
            if place == _WITH_CARE:
                for _, start, _, end in rows:
                    reader.read(block[start:end])
            else:
                reader.take(ordered[place], [(block[start:tab], block[tab + 1 : end]) for _, start, tab, end in rows])
    return reader.listing


class _LineReader:
    """Reads single lines; which lines deserve it, and how much care, is `_notable_lines`' business."""

    def __init__(
        self,
        wnids: Sequence[str],
        filter_url: str,
        most: int | None,
        is_readable: Callable[[str], bool],
    ) -> None:
        self._addresses = ListingBuilder(wnids, most)
        self.listing = self._addresses.listing
        self._filter = filter_url
        self._is_readable = is_readable
        self._names = {wnid.encode(): wnid for wnid in wnids}

    def read(self, line: bytes) -> None:
        """Take a line apart with care, count its dirt, and keep its address if its synset is wanted."""
        image_id, tab, rest = line.rstrip(b"\r").partition(b"\t")
        if not tab:
            if image_id.strip():
                self.listing.issues[ParseIssue.NO_TAB] += 1
            return
        quoted = _QUOTE in line
        address = rest.strip()
        if quoted:
            image_id, address = image_id.strip(b'" '), address.strip(b'" ')
        try:
            url = address.decode("utf-8")
        except UnicodeDecodeError:
            self.listing.issues[ParseIssue.BAD_UTF8] += 1
            return
        if not url:
            self.listing.issues[ParseIssue.EMPTY_URL] += 1
            return
        if quoted:
            self.listing.issues[ParseIssue.STRAY_QUOTES] += 1
        name = self._names.get(image_id.partition(b"_")[0])
        if name is not None:
            self._take_one(name, image_id, url, is_counted=quoted)

    def take(self, name: str, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep the addresses of a synset asked for, from lines in good shape; each comes with the image's id."""
        self.listing.entries[name] += len(entries)
        if self._filter:
            sought = self._filter.encode()
            entries = [entry for entry in entries if sought in entry[1]]
        readable = [entry for entry in entries if self._is_readable(entry[1].decode("utf-8"))]
        if len(readable) < len(entries):
            self.listing.issues[ParseIssue.NOT_HTTP] += len(entries) - len(readable)
        self.listing.issues.update(self._addresses.add_all(name, readable))

    def _take_one(self, name: str, image_id: bytes, url: str, is_counted: bool) -> None:
        """Keep an address of a synset asked for; a line that `is_counted` is dirt of another kind already."""
        self.listing.entries[name] += 1
        if self._filter not in url:
            return
        issue = self._addresses.add(name, url, image_id) if self._is_readable(url) else ParseIssue.NOT_HTTP
        if issue is not None and not is_counted:
            self.listing.issues[issue] += 1


def _ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Have the next chunk unpacked while one is looked at, on another processor where there is one."""
    with ThreadPoolExecutor(1, thread_name_prefix="unpack") as thread:
        coming = thread.submit(next, chunks, b"")
        while chunk := coming.result():
            coming = thread.submit(next, chunks, b"")
            yield chunk


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream at line ends, so that each block holds whole lines and ends with a newline.

    A line too long to be any is cut short, so that a file without line ends is not held whole.
    """
    rest = b""
    for chunk in chunks:
        cut = chunk.rfind(b"\n") + 1
        if cut:
            block = rest + chunk[:cut]
            # Lines of Windows would all be read with care, which takes several times as long.
            yield block.replace(b"\r\n", b"\n") if b"\r" in block else block
            rest = chunk[cut:]
        elif len(rest) <= LONGEST_BYTES:
            rest += chunk
    if rest:
        yield rest + b"\n"


def _digits(wnid: str) -> int:
    """Return a wnid's eight digits as the number that their ASCII bytes make."""
    return int.from_bytes(wnid[1:_WNID_LENGTH].encode(), "little")


class _Lines(NamedTuple):
    """The lines of a block: where each begins and ends, its only tab, and whether it is in good shape."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    tabs: NDArray[np.int64]
    are_plain: NDArray[np.bool_]


def _notable_lines(block: bytes, wanted: NDArray[np.uint64]) -> tuple[int, Iterator[tuple[int, int, int, int]]]:
    """Count a block's lines and find those to read: of a synset wanted, or out of shape.

    A Python loop over 14 million lines takes several times as long as unpacking them. This looks
    at all lines of a block at once.

    Parameters
    ----------
    block
        Whole lines.
    wanted
        The digits of the synsets wanted, ascending.

    Returns
    -------
    The number of lines; and of each notable one, in their order, the place of its synset in `wanted`, or
    `_WITH_CARE` for a line that may be dirt, where it begins, where its tab is, and where it ends.
    """
    import numpy as np

    lines = _lines_of(block)
    places = _places_in(wanted, block, lines.starts)
    places[~lines.are_plain] = _WITH_CARE
    chosen = np.flatnonzero((places >= 0) | ~lines.are_plain)
    columns = (column[chosen].tolist() for column in (places, lines.starts, lines.tabs, lines.ends))
    return len(lines.starts), zip(*columns, strict=True)


def _lines_of(block: bytes) -> _Lines:
    """Find the lines of a block; plain are those of an id, a tab, and an address of ASCII without `!` or `"`."""
    import numpy as np

    symbols = np.frombuffer(block, dtype=np.uint8)
    # As signed numbers, what is beyond ASCII lies below it.
    odd = np.flatnonzero(symbols.view(np.int8) < _FIRST_PLAIN)
    kinds = symbols[odd]
    newlines = np.flatnonzero(kinds == _NEWLINE)
    ends = odd[newlines]
    starts = np.concatenate(([0], ends[:-1] + 1))
    # In a plain line nothing is odd but the tab before the newline.
    tabs = odd[newlines - 1]
    are_plain = (
        (np.diff(newlines, prepend=-1) == 2)
        & (kinds[newlines - 1] == _TAB)
        & (tabs + 1 < ends)
        & (ends - tabs <= LONGEST_BYTES)
    )
    underscores = symbols[np.minimum(starts + _WNID_LENGTH, len(symbols) - 1)] == _UNDERSCORE
    return _Lines(starts, ends, tabs, are_plain & underscores & (symbols[starts] == _LETTER))


def _places_in(wanted: NDArray[np.uint64], block: bytes, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each line the place in `wanted` of the eight bytes behind its first, or -1."""
    import numpy as np

    if not len(wanted):
        return np.full(len(starts), -1)
    padded = np.frombuffer(block + bytes(_WNID_LENGTH), dtype=np.uint8)
    # Eight bytes at every position read as one number: a view, not a copy.
    eights = np.ndarray(shape=len(block), dtype="<u8", buffer=padded.data, offset=1, strides=(1,))
    digits = eights[starts]
    places = np.minimum(np.searchsorted(wanted, digits), len(wanted) - 1)
    return np.where(wanted[places] == digits, places, -1)
