"""Refuse images that would take far more work to decode than their pixels explain, before pixels are decoded.

A file of a few kilobytes can demand hours or gigabytes without claiming to be large: a JPEG may have any number of
scans, a TIFF may have tiles that are larger than the image, and any format may have millions of tiny parts.
"""

import contextlib
import itertools
import re
import struct
import sys
from collections.abc import Callable, Iterator

MOST_PARTS = 50_000
"""Maximum number of segments, chunks, frames, pages, or entries. Camera files have tens, long animations thousands."""
_MOST_BLOCKS = 1_000_000  # of at most 255 bytes, in which GIF stores everything
_MOST_EXIF_SEGMENTS = 100  # Pillow concatenates them one by one, in quadratic time. A camera writes one.
_MOST_SCANS, _SCANNED_PIXELS = 20, 500_000_000  # encoders write about ten scans
_MOST_PROFILES = 10  # colour profiles of a PNG, which Pillow decompresses to at most `image_formats.MOST_TEXT_BYTES`
_MOST_PIECES = 200_000  # strips or tiles of a TIFF; for each, Pillow allocates about 260 bytes
_HARMLESS_BYTES = 1 << 20  # of EXIF data
SPARE_PIXELS = 20_000_000  # a tile of 4096 x 4096 pixels may hold any image
_MOST_RUNS_BYTES = 8_000_000  # of a run-length encoded BMP, which Pillow decodes in Python

_EXIF = b"Exif\0\0"
# A marker is a byte above 0 after 0xFF. 0xFF itself is filling, and restarts (D0 to D7) are part of the scans.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
_END_OF_IMAGE, _SCAN, _HAS_LENGTH, _START_OF_IMAGE = 0xD9, 0xDA, 0xC0, 0xD8
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WIDTH, _HEIGHT, _COMPRESSION, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 259, 278, 322, 323
_OFFSETS, _SIZES, _JPEG_COMPRESSIONS = (273, 324), (279, 325), (6, 7)
_RUN_LENGTH = (1, 2)
_GIF_PART = re.compile(rb"[!,;]")
_PRIVATE = 0x8000  # the first tag that programs may use for themselves; Pillow does not convert them
_BYTES = (1, 2, 6, 7)  # types whose values are read at once
_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}

MALFORMED = (struct.error, IndexError, KeyError, OverflowError, StopIteration)
"""Exceptions for files that end early, or whose offsets lead nowhere: the decoder reports them."""


class TooComplexImageError(ValueError):
    """Raised if decoding an image would take far more time or memory than its number of pixels explains."""


def check_work(content: bytes) -> None:
    """Raise `TooComplexImageError` if opening or decoding an encoded image would take minutes or gigabytes.

    Images that exceed a limit on pixels are left to the caller. Damaged files pass: the decoder reports them.
    """
    check = next((check for start, check in _CHECKS.items() if content.startswith(start)), None)
    if check is not None:
        with contextlib.suppress(*MALFORMED):
            check(content)


def check_exif(exif: object) -> None:
    """Raise `TooComplexImageError` if the values of EXIF data would take minutes to convert."""
    if isinstance(exif, bytes) and len(exif) > _HARMLESS_BYTES:
        with contextlib.suppress(*MALFORMED):
            _Tags(exif.removeprefix(_EXIF)).check_counts()


def limit(number: int, most: int, what: str) -> None:
    """Raise `TooComplexImageError` if an image has more than `most` parts of a kind."""
    if number > most:
        raise TooComplexImageError(f"the image has more than {most:,} {what}")


def check_piece(piece: int, pixels: int) -> None:
    """Raise `TooComplexImageError` if a tile or frame of an image has far more pixels than the image."""
    # The sides of tiles and frames are rounded up.
    if piece > pixels + pixels // 4 + SPARE_PIXELS:
        raise TooComplexImageError(f"a tile or frame of {piece:,} pixels in an image of {pixels:,}")


def _check_jpeg(content: bytes) -> None:
    limit(content.count(_EXIF), _MOST_EXIF_SEGMENTS, "EXIF segments")
    _check_scans(*_scans(content), "the image")


def _check_scans(scans: int, pixels: int, where: str) -> None:
    if scans > _MOST_SCANS and scans * pixels > _SCANNED_PIXELS:
        raise TooComplexImageError(f"{where} has {scans} scans of {pixels:,} pixels")


def _scans(content: bytes, start: int = 2, end: int = sys.maxsize) -> tuple[int, int]:
    """Return the number of scans, and of pixels in the largest frame, of a JPEG, from after its first marker."""
    scans = segments = pixels = 0
    while (found := _MARKER.search(content, start, end)) is not None and (marker := found[1][0]) != _END_OF_IMAGE:
        start = found.end()
        if marker < _HAS_LENGTH or marker == _START_OF_IMAGE:
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, start + 3)
            pixels = max(pixels, width * height)
        scans, segments = scans + (marker == _SCAN), segments + 1
        if segments > MOST_PARTS:
            break
        start += struct.unpack_from(">H", content, start)[0]
    limit(segments, MOST_PARTS, "segments")
    return scans, pixels


def _check_png(content: bytes) -> None:
    parts = list(_chunks(content, 8, is_png=True))
    limit(len(parts), MOST_PARTS, "chunks")
    limit(parts.count(b"iCCP"), _MOST_PROFILES, "colour profiles")


def _check_webp(content: bytes) -> None:
    limit(len(list(_chunks(content, 12, is_png=False))), MOST_PARTS, "chunks")


def _chunks(content: bytes, at: int, is_png: bool) -> Iterator[bytes]:
    """Yield the names of the chunks of a PNG or WebP, at most one more than `MOST_PARTS`."""
    for _ in range(MOST_PARTS + 1):
        if at + 8 > len(content):
            return
        if is_png:  # Length, name, data, checksum.
            size, name = struct.unpack_from(">I4s", content, at)
            at += 12 + size
        else:  # Name, length, data padded to an even number of bytes.
            name, size = struct.unpack_from("<4sI", content, at)
            at += 8 + size + size % 2
        yield name


def _check_gif(content: bytes) -> None:
    at = 13 + _palette_bytes(content[10])
    parts = blocks = 0
    while (found := _GIF_PART.search(content, at)) is not None and found[0] != b";":
        # Pillow reads one by one the bytes that begin nothing.
        parts, blocks, at = parts + 1, blocks + found.start() - at, found.end()
        at += 10 + _palette_bytes(content[at + 8]) if found[0] == b"," else 1
        while size := content[at]:
            at, blocks = at + size + 1, blocks + 1
        at += 1
        limit(parts, MOST_PARTS, "frames and extensions")
        limit(blocks, _MOST_BLOCKS, "blocks")


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _check_bmp(content: bytes) -> None:
    (compression,) = struct.unpack_from("<I", content, 30)
    if compression in _RUN_LENGTH:
        limit(len(content), _MOST_RUNS_BYTES, "bytes of run-length encoding")


def _check_tiff(content: bytes) -> None:
    tags = _Tags(content)
    pieces = max(map(tags.count, _OFFSETS))
    limit(pieces, _MOST_PIECES, "strips or tiles")
    width, height = tags.first(_WIDTH), tags.first(_HEIGHT)
    if tags.count(_TILE_WIDTH):
        piece = tags.first(_TILE_WIDTH) * tags.first(_TILE_HEIGHT)
    else:
        piece = width * min(tags.first(_ROWS_PER_STRIP) or height, height)
    check_piece(piece, width * height)
    tags.check_counts()
    sizes = sum(sum(tags.values(tag)) for tag in _SIZES)
    if pieces > 1 and sizes > 4 * len(content) + SPARE_PIXELS:
        raise TooComplexImageError(f"its {pieces:,} strips or tiles claim {sizes:,} bytes of {len(content):,}")
    if tags.first(_COMPRESSION) in _JPEG_COMPRESSIONS:
        _check_jpeg_pieces(content, tags, width * height)


def _check_jpeg_pieces(content: bytes, tags: "_Tags", pixels: int) -> None:
    """Check the strips or tiles of a TIFF that are JPEGs."""
    read = 0
    for offsets, sizes in zip(_OFFSETS, _SIZES, strict=True):
        # Without a size, a strip may reach to the end of the file.
        for offset, size in set(
            itertools.zip_longest(tags.values(offsets), tags.values(sizes), fillvalue=len(content))
        ):
            end = min(offset + size, len(content))
            read += max(end - offset, 0)
            limit(read, 4 * len(content), "bytes in its strips or tiles")
            _check_scans(_scans(content, offset + 2, end)[0], pixels, "a strip or tile")


class _Tags:
    """The first directory of a TIFF; the number of directories and of their entries is checked."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._order = "<" if content.startswith(b"II") else ">"
        is_big = b"\x2b" in content[2:4]
        head, number, entry = ("8xQ", "Q", "HHQ8x") if is_big else ("4xI", "H", "HHI4x")
        self._entry, link = struct.Struct(self._order + entry), struct.Struct(self._order + head[-1])
        (directory,) = struct.unpack_from(self._order + head, content)
        self._found: dict[int, tuple[int, int, int]] = {}
        seen: set[int] = set()
        while directory and directory not in seen:
            seen.add(directory)
            limit(len(seen), MOST_PARTS, "pages")
            try:
                (entries,) = struct.unpack_from(self._order + number, content, directory)
                start = directory + struct.calcsize(number)
                if len(seen) == 1:
                    self._read(start, entries)
                (directory,) = link.unpack_from(content, start + entries * self._entry.size)
            except struct.error:  # Pillow uses the entries before the end of the file.
                return

    def _read(self, start: int, entries: int) -> None:
        limit(min(entries, len(self._content)), MOST_PARTS * 2, "entries")
        for at in range(start, start + entries * self._entry.size, self._entry.size):
            tag, kind, count = self._entry.unpack_from(self._content, at)
            self._found.setdefault(tag, (kind, count, at))

    def check_counts(self) -> None:
        """Raise `TooComplexImageError` if Pillow would convert a tag's values one by one for long."""
        for tag, (kind, count, _) in self._found.items():
            if tag < _PRIVATE and kind not in _BYTES:
                limit(count, _MOST_PIECES, f"values of the tag {tag}")

    def count(self, tag: int) -> int:
        """Return the number of values of a tag."""
        return self._found.get(tag, (0, 0, 0))[1]

    def first(self, tag: int) -> int:
        """Return the first value of a tag; 0 without one."""
        return next(iter(self.values(tag, 1)), 0)

    def values(self, tag: int, most: int = _MOST_PIECES) -> tuple[int, ...]:
        """Return the values of a tag of whole numbers; empty without one."""
        kind, count, at = self._found.get(tag, (0, 0, 0))
        if kind not in _TIFF_TYPES:
            return ()
        form = _TIFF_TYPES[kind]
        room = (self._entry.size - 4) // 2
        place = at + self._entry.size - room
        if count * struct.calcsize(form) > room:
            (place,) = struct.unpack_from(self._order + ("I" if room == 4 else "Q"), self._content, place)
        return struct.unpack_from(f"{self._order}{min(count, most)}{form}", self._content, place)


_CHECKS: dict[bytes, Callable[[bytes], None]] = {
    b"\xff\xd8": _check_jpeg,
    b"\x89PNG": _check_png,
    b"GIF8": _check_gif,
    b"BM": _check_bmp,
    b"RIFF": _check_webp,
    b"II": _check_tiff,
    b"MM": _check_tiff,
}
