"""Bound the work of decoding an image by what its file holds, before a decoder sees it.

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
_SPARE_PIXELS = 20_000_000  # a tile of 4096 x 4096 pixels may hold any image
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


_SEQUENCE_HEADER, _FRAME_KINDS, _HEADER_BYTES = 1, (3, 6), 512
_DAMAGED = (struct.error, IndexError, KeyError, OverflowError, StopIteration)
"""Exceptions for files that end early, or whose offsets lead nowhere: the decoder reports them."""


class TooComplexImageError(ValueError):
    """Raised if decoding an image would take far more time or memory than its number of pixels explains."""


def check_work(content: bytes) -> None:
    """Raise `TooComplexImageError` if opening or decoding an encoded image would take minutes or gigabytes.

    Images that exceed a limit on pixels are left to the caller. Damaged files pass: the decoder reports them.
    """
    check = next((check for start, check in _CHECKS.items() if content.startswith(start)), None)
    if check is not None:
        with contextlib.suppress(*_DAMAGED):
            check(content)


def check_opened(content: bytes, pixels: int, exif: object) -> None:
    """Raise `TooComplexImageError` for what `check_work` cannot judge without the image's size and EXIF data."""
    if isinstance(exif, bytes) and len(exif) > _HARMLESS_BYTES:
        with contextlib.suppress(*_DAMAGED):
            _Tags(exif.removeprefix(_EXIF)).check_counts()
    if content[4:8] == b"ftyp":
        with contextlib.suppress(*_DAMAGED):
            largest, frames = avif_pixels(content)
            if frames > 8 * pixels + _SPARE_PIXELS:
                raise TooComplexImageError(f"frames of {frames:,} pixels in an image of {pixels:,}")
            _check_piece(largest, pixels)


def _limit(number: int, most: int, what: str) -> None:
    if number > most:
        raise TooComplexImageError(f"the image has more than {most:,} {what}")


def _check_piece(piece: int, pixels: int) -> None:
    # The sides of tiles and frames are rounded up.
    if piece > pixels + pixels // 4 + _SPARE_PIXELS:
        raise TooComplexImageError(f"a tile or frame of {piece:,} pixels in an image of {pixels:,}")


def _check_jpeg(content: bytes) -> None:
    _limit(content.count(_EXIF), _MOST_EXIF_SEGMENTS, "EXIF segments")
    scans, pixels = _scans(content)
    if scans > _MOST_SCANS and scans * pixels > _SCANNED_PIXELS:
        raise TooComplexImageError(f"the image has {scans} scans of {pixels:,} pixels")


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
    _limit(segments, MOST_PARTS, "segments")
    return scans, pixels


def _check_png(content: bytes) -> None:
    parts = list(_parts(content, 8, ">I4s", 12))
    _limit(len(parts), MOST_PARTS, "chunks")
    _limit(parts.count(b"iCCP"), _MOST_PROFILES, "colour profiles")


def _check_webp(content: bytes) -> None:
    _limit(len(list(_parts(content, 12, "<4sI", 8))), MOST_PARTS, "chunks")


def _parts(content: bytes, at: int, head: str, overhead: int) -> Iterator[bytes]:
    """Yield the names of the chunks of a PNG or WebP, one more than the limit at most."""
    form, is_even = struct.Struct(head), head.startswith("<")
    for _ in range(MOST_PARTS + 1):
        if at + form.size > len(content):
            return
        first, second = form.unpack_from(content, at)
        name, size = (first, second) if is_even else (second, first)
        yield name
        at += overhead + size + (size & 1 if is_even else 0)


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
        _limit(parts, MOST_PARTS, "frames and extensions")
        _limit(blocks, _MOST_BLOCKS, "blocks")


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _check_bmp(content: bytes) -> None:
    (compression,) = struct.unpack_from("<I", content, 30)
    if compression in _RUN_LENGTH:
        _limit(len(content), _MOST_RUNS_BYTES, "bytes, and they are run-length encoded")


def _check_tiff(content: bytes) -> None:
    tags = _Tags(content)
    _limit(max(map(tags.count, _OFFSETS)), _MOST_PIECES, "strips or tiles")
    width, height = tags.first(_WIDTH), tags.first(_HEIGHT)
    pieces = max(map(tags.count, _OFFSETS))
    if tags.count(_TILE_WIDTH):
        piece = tags.first(_TILE_WIDTH) * tags.first(_TILE_HEIGHT)
    else:
        piece = width * min(tags.first(_ROWS_PER_STRIP) or height, height)
    _check_piece(piece, width * height)
    tags.check_counts()
    sizes = sum(sum(tags.values(tag)) for tag in _SIZES)
    if pieces > 1 and sizes > 4 * len(content) + _SPARE_PIXELS:
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
            _limit(read, 4 * len(content), "bytes in its strips or tiles")
            scans, _ = _scans(content, offset + 2, end)
            if scans > _MOST_SCANS and scans * pixels > _SCANNED_PIXELS:
                raise TooComplexImageError(f"a strip or tile has {scans} scans")


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
            _limit(len(seen), MOST_PARTS, "pages")
            try:
                (entries,) = struct.unpack_from(self._order + number, content, directory)
                start = directory + struct.calcsize(number)
                if len(seen) == 1:
                    self._read(start, entries)
                (directory,) = link.unpack_from(content, start + entries * self._entry.size)
            except struct.error:  # Pillow uses the entries before the end of the file.
                return

    def _read(self, start: int, entries: int) -> None:
        _limit(min(entries, len(self._content)), MOST_PARTS * 2, "entries")
        for at in range(start, start + entries * self._entry.size, self._entry.size):
            tag, kind, count = self._entry.unpack_from(self._content, at)
            self._found.setdefault(tag, (kind, count, at))

    def check_counts(self) -> None:
        """Raise `TooComplexImageError` if Pillow would convert a tag's values one by one for long."""
        for tag, (kind, count, _) in self._found.items():
            if tag < _PRIVATE and kind not in _BYTES:
                _limit(count, _MOST_PIECES, f"values of the tag {tag}")

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


def avif_pixels(content: bytes) -> tuple[int, int]:
    """Return the pixels of the largest frame and of all frames in an AVIF's items, as its AV1 sequence headers say."""
    outer = dict(_boxes(content, 0, len(content)))
    if b"moov" in outer and content[8:12] != b"avif":
        raise TooComplexImageError("it is a film")
    meta = outer[b"meta"]
    boxes = dict(_boxes(content, meta[0] + 4, meta[1]))
    at, _ = boxes[b"iloc"]
    version, sizes, more = content[at], content[at + 4], content[at + 5]
    wide = "I" if version == 2 else "H"
    (items,) = struct.unpack_from(f">{wide}", content, at + 6)
    _limit(items, MOST_PARTS, "items")
    reader = _Reader(content, at + 6 + struct.calcsize(wide))
    largest = pixels = read = 0
    for _ in range(items):
        reader.take(struct.calcsize(wide))
        start = boxes[b"idat"][0] if version and reader.take(2) & 0xF == 1 else 0
        reader.take(2)
        start += reader.take(more >> 4)
        extents = []
        for _ in range(reader.take(2)):
            reader.take(more & 0xF if version else 0)
            offset = start + reader.take(sizes >> 4)
            extents.append(content[offset : offset + (reader.take(sizes & 0xF) or len(content))])
            read += len(extents[-1])
            _limit(read, 4 * len(content), "bytes in its items")
        number, size = _frames_of(b"".join(extents))
        largest, pixels = max(largest, size), pixels + number * size
    return largest, pixels


def _boxes(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield the name, and the start and end of the content, of each box of an AVIF."""
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", content, at)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", content, at + 8), 16
        stop = min(at + max(size, head), end) if size else end
        yield name, (at + head, stop)
        at = stop


class _Reader:
    """Reads big-endian numbers of whole bytes."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at

    def take(self, size: int) -> int:
        """Return the next number of `size` bytes; 0 if that is 0."""
        self._at += size
        if self._at > len(self._content):
            raise IndexError
        return int.from_bytes(self._content[self._at - size : self._at])


def _frames_of(data: bytes) -> tuple[int, int]:
    """Return the number of frames in AV1 data, and the pixels of the largest; zeros if the data is something else."""
    at = units = frames = pixels = 0
    while at < len(data):
        units += 1
        _limit(units, MOST_PARTS, "units of AV1")
        kind, has_extension, has_size = data[at] >> 3 & 0xF, data[at] >> 2 & 1, data[at] >> 1 & 1
        at += 1 + has_extension
        size = len(data) - at
        if has_size:
            length = next(index for index in range(8) if data[at + index] < 0x80) + 1
            size = sum((data[at + index] & 0x7F) << 7 * index for index in range(length))
            at += length
        if kind == _SEQUENCE_HEADER:
            pixels = max(pixels, _largest_frame(data[at : at + min(size, _HEADER_BYTES)]))
        frames += kind in _FRAME_KINDS
        at += size
    return frames, pixels


def _largest_frame(header: bytes) -> int:
    """Return the number of pixels of the largest frame that an AV1 sequence header permits."""
    bits = iter(f"{int.from_bytes(header):0{8 * len(header)}b}")

    def take(size: int) -> int:
        return int("0" + "".join(itertools.islice(bits, size)), 2)

    take(4)
    if take(1):  # a reduced header, of still images
        take(5)
    else:
        delay = 0
        if take(1):  # timing
            take(64)
            if take(1):
                take(next(zeros for zeros in itertools.count() if take(1) or zeros > 31))
            if take(1):
                delay = take(5) + 1
                take(42)
        has_display_delay = take(1)
        for _ in range(take(5) + 1):
            take(12)
            take(take(5) > 7)
            if delay and take(1):
                take(2 * delay + 1)
            if has_display_delay and take(1):
                take(4)
    width_bits, height_bits = take(4) + 1, take(4) + 1
    return (take(width_bits) + 1) * (take(height_bits) + 1)


_CHECKS: dict[bytes, Callable[[bytes], None]] = {
    b"\xff\xd8": _check_jpeg,
    b"\x89PNG": _check_png,
    b"GIF8": _check_gif,
    b"BM": _check_bmp,
    b"RIFF": _check_webp,
    b"II": _check_tiff,
    b"MM": _check_tiff,
}
