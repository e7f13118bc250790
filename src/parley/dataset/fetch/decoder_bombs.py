"""Detect files crafted to exhaust a decoder's time or memory, before any decoder opens them.

Pillow itself limits pixels and text in PNGs; this module covers cases for which Pillow has no limit.
"""

import struct
from collections.abc import Iterator

# Smaller files cost at most a fraction of a second and a few megabytes.
_HARMLESS_BYTES = 256 << 10
# Pillow concatenates the EXIF segments of a JPEG one by one, in quadratic time. A camera writes one segment.
_EXIF, _MOST_EXIF_SEGMENTS = b"Exif\0\0", 100
# For each strip or tile of a TIFF, Pillow allocates about 260 bytes when it opens the file.
_PIECE_OFFSETS, _MOST_PIECES = (273, 324), 200_000
_BIG = 43


def is_decoder_bomb(body: bytes) -> bool:
    """Return True if merely opening the image would take minutes or gigabytes."""
    if len(body) < _HARMLESS_BYTES:
        return False
    if body.startswith(b"\xff\xd8"):
        return body.count(_EXIF) > _MOST_EXIF_SEGMENTS
    if body.startswith((b"II", b"MM")):
        return any(tag in _PIECE_OFFSETS and count > _MOST_PIECES for tag, count in _tags(body))
    return False


def _tags(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield (tag, number of values) for each entry of a TIFF's first directory; stop where the bytes end."""
    order = "<" if body.startswith(b"II") else ">"
    is_big = _BIG in body[2:4]
    head, number, entry = (
        struct.Struct(order + form) for form in (("8xQ", "Q", "HHQ8x") if is_big else ("4xI", "H", "HHI4x"))
    )
    try:
        (directory,) = head.unpack(body[: head.size])
        (entries,) = number.unpack(body[directory : directory + number.size])
        first = directory + number.size
        for start in range(first, first + entries * entry.size, entry.size):
            tag, _, count = entry.unpack(body[start : start + entry.size])
            yield tag, count
    except struct.error:
        return
