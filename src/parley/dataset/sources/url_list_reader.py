"""Read and filter ImageNet's URL list, 14 million lines of the form `nXXXXXXXX_N<TAB>URL`, in one pass."""

from __future__ import annotations

import codecs
import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from parley.core.errors import ParleyError
from parley.core.files import COMPRESSED
from parley.core.tar_headers import CHUNK_BYTES, stream_files
from parley.core.text import UTF16_MARKS, check_kind
from parley.dataset.listing import LONGEST_BYTES, Listing, ListingBuilder, ParseIssue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GZIP_MAGIC = b"\x1f\x8b"
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257


def text_chunks(path: str | Path) -> Iterator[bytes]:
    """Yield the bytes of a text file, decompressed, in chunks of about 1 MiB.

    For a tar, gzipped or not, yield the bytes of its regular files one after another. Skip files whose name begins
    with a dot, such as macOS's `._` files.

    Raises
    ------
    ParleyError
        If the file is missing, or is a truncated or corrupt archive.
    """
    check_kind(path, "a URL list", accepted=[COMPRESSED])
    try:
        with Path(path).open("rb") as source:
            stream: io.BufferedReader = source
            if source.peek(2).startswith(_GZIP_MAGIC):
                stream = io.BufferedReader(gzip.GzipFile(fileobj=source), CHUNK_BYTES)
            else:
                check_kind(path, "a URL list")  # Only gzip is decompressed.
            is_tar = stream.read(512)[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC)
            stream.seek(0)
            yield from _tar_chunks(stream) if is_tar else iter(partial(stream.read, CHUNK_BYTES), b"")
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; check the path.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        raise ParleyError(
            f"{path} is a truncated or corrupt archive ({error}); remove it and run again to download it again."
        ) from error


def _tar_chunks(stream: io.BufferedReader) -> Iterator[bytes]:
    for member, chunks in stream_files(stream):
        if Path(member.name).name.startswith("."):
            continue
        chunk = b""
        for chunk in chunks:
            yield chunk
        if chunk and not chunk.endswith(b"\n"):
            yield b"\n"  # A file without a final newline must not run into the next one.


def _as_utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    r"""Yield the chunks as UTF-8 without a byte order mark; ``"\n"`` ends a line, also in lists from classic Mac OS."""
    first = next(chunks, b"")
    if first.startswith(UTF16_MARKS):
        texts = codecs.iterdecode(chain([first], chunks), "utf-16", "replace")
        chunks = (text.encode("utf-8", "replace") for text in texts)
        first = next(chunks, b"")
    first = first.removeprefix(codecs.BOM_UTF8)
    is_mac = b"\r" in first and b"\n" not in first
    for chunk in filter(None, chain([first], chunks)):
        yield chunk.replace(b"\r", b"\n") if is_mac else chunk


_NEWLINE, _TAB, _QUOTE, _UNDERSCORE, _LETTER = 10, 9, 34, 95, 110
_FIRST_PLAIN = 35  # smaller codes are white space, control characters, `!` and `"`
_WNID_LENGTH = 9
_UNWANTED, _IRREGULAR = -1, -2


def filter_list(
    path: str | Path,
    wnids: Collection[str],
    filter_url: str = "",
    most: int | None = None,
    is_readable: Callable[[str], bool] = bool,
) -> Listing:
    """Read the addresses of some synsets from a URL list. Keeps only these addresses in memory, not the list.

    Issues of a line's format (tab, encoding, quotes, empty address) are counted in the whole list; other issues only
    in lines of these synsets.

    Parameters
    ----------
    path
        Path of the list: plain text, gzip, tar or gzipped tar.
    wnids
        WordNet IDs of the synsets to read.
    filter_url
        Text that an address must contain to be kept, such as `static.flickr`; empty keeps all addresses.
    most
        Maximum number of addresses per synset; further addresses are ignored. None for no limit.
    is_readable
        Function that returns whether an address is of a kind that can be read; by default, all are.

    Raises
    ------
    ParleyError
        If the file is missing, or a truncated or corrupt archive.
    """
    import numpy as np

    ordered = sorted(set(wnids), key=_digits)
    reader = _LineReader(ordered, filter_url, most, is_readable)
    wanted = np.array([_digits(wnid) for wnid in ordered], dtype=np.uint64)
    for block in _whole_lines(_ahead(_as_utf8(text_chunks(path)))):
        lines, notable = _notable_lines(block, wanted)
        reader.listing.lines += lines
        for index, start, tab, end in notable:
            if index == _IRREGULAR:
                reader.read(block[start:end])
            else:
                reader.add(ordered[index], block[start:tab], block[tab + 1 : end].decode("utf-8"))
    return reader.listing


class _LineReader:
    """Adds the lines that `_notable_lines` selects to a listing, one at a time."""

    def __init__(
        self, wnids: Sequence[str], filter_url: str, most: int | None, is_readable: Callable[[str], bool]
    ) -> None:
        self._builder = ListingBuilder(wnids, most)
        self.listing = self._builder.listing
        self._filter, self._is_readable = filter_url, is_readable
        self._names = {wnid.encode(): wnid for wnid in wnids}

    def read(self, line: bytes) -> None:
        """Parse an irregular line, count its issues, and keep its address if its synset is wanted."""
        image_id, tab, rest = line.rstrip(b"\r").partition(b"\t")
        if not tab:
            if image_id.strip():
                self.listing.issues[ParseIssue.NO_TAB] += 1
            return
        is_quoted = _QUOTE in line
        address = rest.strip()
        if is_quoted:
            image_id, address = image_id.strip(b'" '), address.strip(b'" ')
        try:
            url = address.decode("utf-8")
        except UnicodeDecodeError:
            self.listing.issues[ParseIssue.BAD_UTF8] += 1
            return
        if not url:
            self.listing.issues[ParseIssue.EMPTY_URL] += 1
            return
        if is_quoted:
            self.listing.issues[ParseIssue.STRAY_QUOTES] += 1
        name = self._names.get(image_id.partition(b"_")[0])
        if name is not None:
            self.add(name, image_id, url, is_counted=is_quoted)

    def add(self, name: str, image_id: bytes, url: str, is_counted: bool = False) -> None:
        """Add an address of a wanted synset. Count its issue, if the line's issue was not counted yet."""
        self.listing.entries[name] += 1
        if self._filter not in url:
            return
        issue = self._builder.add(name, url, image_id) if self._is_readable(url) else ParseIssue.NOT_HTTP
        if issue is not None and not is_counted:
            self.listing.issues[issue] += 1


def _ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks, decompressing the next chunk in a thread while the current one is parsed."""
    with ThreadPoolExecutor(1, thread_name_prefix="unpack") as thread:
        coming = thread.submit(next, chunks, b"")
        while chunk := coming.result():
            coming = thread.submit(next, chunks, b"")
            yield chunk


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks of whole lines, each ending with a newline.

    Truncates a line that is too long for an address, so that a file without line ends does not fill the memory.
    """
    rest = b""
    for chunk in chunks:
        cut = chunk.rfind(b"\n") + 1
        if cut:
            block = rest + chunk[:cut]
            # A line with a carriage return would be irregular, and irregular lines take several times as long to read.
            yield block.replace(b"\r\n", b"\n") if b"\r" in block else block
            rest = chunk[cut:]
        elif len(rest) <= LONGEST_BYTES:
            rest += chunk
    if rest:
        yield rest + b"\n"


def _digits(wnid: str) -> int:
    """Return the ASCII codes of a wnid's eight digits as one little-endian integer of eight bytes."""
    return int.from_bytes(wnid[1:_WNID_LENGTH].encode(), "little")


def _notable_lines(block: bytes, wanted: NDArray[np.uint64]) -> tuple[int, Iterator[tuple[int, int, int, int]]]:
    """Count a block's lines, and find those to read: the lines of wanted synsets, and all irregular lines.

    Processes all lines of a block at once with NumPy, because a Python loop over 14 million lines takes several times
    as long as decompressing them.

    Parameters
    ----------
    block
        Whole lines, each ending with a newline.
    wanted
        Digits of the wanted synsets as integers (see `_digits`), in ascending order.

    Returns
    -------
    The number of lines and, for each line to read, in order: the index of its synset in `wanted`, or `_IRREGULAR`;
    and the offsets of its start, tab and end in the block. A regular line consists of an id, a tab, and an
    address in ASCII without white space, `!` or `"`.
    """
    import numpy as np

    symbols = np.frombuffer(block, dtype=np.uint8)
    # As signed integers, bytes outside ASCII are negative, so they are found too.
    odd = np.flatnonzero(symbols.view(np.int8) < _FIRST_PLAIN)
    kinds = symbols[odd]
    newlines = np.flatnonzero(kinds == _NEWLINE)
    ends = odd[newlines]
    starts = np.concatenate(([0], ends[:-1] + 1))
    # The only odd symbols of a regular line are one tab and the newline.
    tabs = odd[newlines - 1]
    is_regular = (
        (np.diff(newlines, prepend=-1) == 2)
        & (kinds[newlines - 1] == _TAB)
        & (tabs + 1 < ends)
        & (ends - tabs <= LONGEST_BYTES)
        & (symbols[np.minimum(starts + _WNID_LENGTH, len(symbols) - 1)] == _UNDERSCORE)
        & (symbols[starts] == _LETTER)
    )
    indices = np.where(is_regular, _synset_indices(wanted, block, starts), _IRREGULAR)
    chosen = np.flatnonzero(indices != _UNWANTED)
    columns = (column[chosen].tolist() for column in (indices, starts, tabs, ends))
    return len(starts), zip(*columns, strict=True)


def _synset_indices(wanted: NDArray[np.uint64], block: bytes, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each line the index in `wanted` of its synset (the digits in its bytes 1 to 8), or `_UNWANTED`."""
    import numpy as np

    if not len(wanted):
        return np.full(len(starts), _UNWANTED)
    padded = np.frombuffer(block + bytes(_WNID_LENGTH), dtype=np.uint8)
    # A view, not a copy: entry i is the integer that the eight bytes from position i + 1 form.
    eights = np.ndarray(shape=len(block), dtype="<u8", buffer=padded.data, offset=1, strides=(1,))
    digits = eights[starts]
    indices = np.minimum(np.searchsorted(wanted, digits), len(wanted) - 1)
    return np.where(wanted[indices] == digits, indices, _UNWANTED)
