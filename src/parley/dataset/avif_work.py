"""Bound the work of decoding an AVIF by the frames that its AV1 data claim."""

import contextlib
import itertools
import struct
from collections.abc import Iterator

from parley.dataset.decoding_work import (
    MALFORMED,
    MOST_PARTS,
    SPARE_PIXELS,
    TooComplexImageError,
    check_piece,
    limit,
)

_SEQUENCE_HEADER, _FRAME_KINDS, _HEADER_BYTES = 1, (3, 6), 512


def check_avif(content: bytes, pixels: int) -> None:
    """Raise `TooComplexImageError` if a file is an AVIF with far more pixels in its frames than in the image."""
    if content[4:8] != b"ftyp":
        return
    with contextlib.suppress(*MALFORMED):
        largest, frames = avif_pixels(content)
        if frames > 8 * pixels + SPARE_PIXELS:
            raise TooComplexImageError(f"frames of {frames:,} pixels in an image of {pixels:,}")
        check_piece(largest, pixels)


def avif_pixels(content: bytes) -> tuple[int, int]:
    """Return the pixels of the largest frame and of all frames in an AVIF's items, as its AV1 sequence headers say."""
    outer = dict(_boxes(content, 0, len(content)))
    if b"moov" in outer and content[8:12] != b"avif":
        raise TooComplexImageError("it is a video")
    meta = outer[b"meta"]
    boxes = dict(_boxes(content, meta[0] + 4, meta[1]))
    at, _ = boxes[b"iloc"]
    version, sizes, more = content[at], content[at + 4], content[at + 5]
    wide = "I" if version == 2 else "H"
    (items,) = struct.unpack_from(f">{wide}", content, at + 6)
    limit(items, MOST_PARTS, "items")
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
            limit(read, 4 * len(content), "bytes in its items")
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
        limit(units, MOST_PARTS, "units of AV1")
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
