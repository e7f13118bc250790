"""ImageNet's URL list: `nXXXXXXXX_N<TAB>URL` a line, 14 million of them, some dirty, filtered in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from parley.archives import text_pieces
from parley.listing import Addresses, Dirt, Listing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NEWLINE, _TAB, _SPACE, _QUOTE, _FIRST_NON_ASCII = 10, 9, 32, 34, 128
_WNID_LENGTH = 9


def filter_list(path: str | Path, wnids: Collection[str], filter_url: str = "", most: int | None = None) -> Listing:
    """Pick the addresses of some synsets out of a list, streaming.

    Dirt that makes a line unreadable is counted over the whole list, repetitions among the lines
    of the synsets asked for.

    Parameters
    ----------
    path
        The list: plain text, gzip, tar or gzipped tar.
    wnids
        The synsets wanted. Memory is bounded by their addresses, not by the list.
    filter_url
        Only addresses that hold this text, as `static.flickr`; empty for all.
    most
        The first so many addresses a synset; None for all.

    Raises
    ------
    ParleyError
        When the file is missing, or a truncated or corrupt archive.
    """
    reader = _LineReader(wnids, filter_url, most)
    wanted = _digits_of(wnids)
    for block in _whole_lines(text_pieces(path)):
        lines, notable = _notable_lines(block, wanted)
        reader.listing.lines += lines
        for start, end in notable:
            reader.read(block[start:end])
    return reader.listing


class _LineReader:
    """Reads single lines with care; which lines deserve it is `_notable_lines`' business."""

    def __init__(self, wnids: Collection[str], filter_url: str, most: int | None) -> None:
        self._addresses = Addresses(wnids, most)
        self.listing = self._addresses.listing
        self._filter = filter_url
        self._names = {wnid.encode(): wnid for wnid in wnids}
        self._numbers: dict[str, set[bytes]] = {wnid: set() for wnid in wnids}

    def read(self, line: bytes) -> None:
        """Take a line apart, count its dirt, and keep its address if its synset is wanted."""
        image_id, tab, rest = line.rstrip(b"\r").partition(b"\t")
        if not tab:
            if image_id.strip():
                self.listing.dirt[Dirt.NO_TAB] += 1
            return
        quoted = _QUOTE in line
        address = rest.strip()
        if quoted:
            image_id, address = image_id.strip(b'" '), address.strip(b'" ')
        try:
            url = address.decode("utf-8")
        except UnicodeDecodeError:
            self.listing.dirt[Dirt.BAD_UTF8] += 1
            return
        if not url:
            self.listing.dirt[Dirt.EMPTY_URL] += 1
            return
        if quoted:
            self.listing.dirt[Dirt.STRAY_QUOTES] += 1
        wnid, _, number = image_id.partition(b"_")
        name = self._names.get(wnid)
        if name is None:
            return
        self.listing.entries[name] += 1
        if self._filter in url:
            self._take(name, number, url, counted=quoted)

    def _take(self, name: str, number: bytes, url: str, counted: bool) -> None:
        """Keep an address of a synset asked for; `counted` lines are dirt of another kind already."""
        dirt = self._addresses.add(name, url)
        if dirt is None and number in self._numbers[name]:
            dirt = Dirt.DUPLICATE_ID
        self._numbers[name].add(number)
        if dirt is not None and not counted:
            self.listing.dirt[dirt] += 1


def _whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream at line ends, so that each block holds whole lines and ends with a newline."""
    rest = b""
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield rest + piece[:cut]
            rest = piece[cut:]
        else:
            rest += piece
    if rest:
        yield rest + b"\n"


def _digits_of(wnids: Collection[str]) -> NDArray[np.uint64]:
    """Return the eight digits of each wnid as the number their ASCII bytes make, sorted."""
    import numpy as np

    eights = b"".join(wnid[1:_WNID_LENGTH].encode() for wnid in wnids)
    return np.unique(np.frombuffer(eights, dtype="<u8"))


def _notable_lines(block: bytes, wanted: NDArray[np.uint64]) -> tuple[int, list[tuple[int, int]]]:
    """Count a block's lines and find those to read with care: of a synset wanted, or out of shape.

    A Python loop over 14 million lines takes several times as long as unpacking them. This looks
    at all lines of a block at once; it may pick a line too many, and never one too few.

    Returns
    -------
    The number of lines, and start and end of each notable one.
    """
    import numpy as np

    symbols = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(symbols == _NEWLINE)
    starts = np.concatenate(([0], ends[:-1] + 1))
    notable = _starts_with(block, starts, wanted)
    tabs = np.flatnonzero(symbols == _TAB)
    first_tab = np.searchsorted(tabs, starts)
    # A sentinel stands in where no tab follows at all.
    tab_at = np.append(tabs, len(block))[first_tab]
    behind_tab = symbols[np.minimum(tab_at + 1, len(symbols) - 1)]
    notable |= (tab_at > ends) | (behind_tab <= _SPACE)
    if b'"' in block:
        notable[np.searchsorted(ends, np.flatnonzero(symbols == _QUOTE))] = True
    if not block.isascii():
        notable[np.searchsorted(ends, np.flatnonzero(symbols >= _FIRST_NON_ASCII))] = True
    chosen = np.flatnonzero(notable)
    return len(ends), list(zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True))


def _starts_with(block: bytes, starts: NDArray[np.int64], wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Say for each line whether the eight bytes behind its first, an `n`, are among the wanted."""
    import numpy as np

    if not len(wanted):
        return np.zeros(len(starts), dtype=np.bool_)
    padded = np.frombuffer(block + bytes(_WNID_LENGTH), dtype=np.uint8)
    # Eight bytes at every position read as one number: a view, not a copy.
    eights = np.ndarray(shape=len(block), dtype="<u8", buffer=padded.data, offset=1, strides=(1,))
    digits = eights[starts]
    places = np.minimum(np.searchsorted(wanted, digits), len(wanted) - 1)
    return np.asarray(wanted[places] == digits)
