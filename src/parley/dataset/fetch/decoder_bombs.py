"""Bytes made to keep a decoder busy, told from a look at them before any decoder sees them.

Pillow's own limits (on pixels, on text in PNGs) are left to it; here is what has none.
"""

import struct
from collections.abc import Iterator

# Below this no trick is worth a look: it costs a fraction of a second and a few megabytes.
_HARMLESS_BYTES = 256 << 10
# Pillow joins the EXIF segments of a JPEG one by one, copying what it has each time. A camera writes one.
_EXIF, _MOST_EXIF_SEGMENTS = b"Exif\0\0", 100
# Of each strip or tile of a TIFF, Pillow keeps about 260 bytes from the moment the file is opened.
_PIECE_OFFSETS, _MOST_PIECES = (273, 324), 200_000
_BIG = 43


def is_decoder_bomb(body: bytes) -> bool:
    """Say whether opening an image would take minutes or gigabytes for what its header says alone."""
    if len(body) < _HARMLESS_BYTES:
        return False
    if body.startswith(b"\xff\xd8"):
        return body.count(_EXIF) > _MOST_EXIF_SEGMENTS
    if body.startswith((b"II", b"MM")):
        return any(tag in _PIECE_OFFSETS and count > _MOST_PIECES for tag, count in _tags(body))
    return False


def _tags(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield tag and number of values of each entry of a TIFF's first directory; stop where the bytes do."""
    order = "<" if body.startswith(b"II") else ">"
    is_big = _BIG in body[2:4]
    head, number, entry = (
        struct.Struct(order + form) for form in (("8xQ", "Q", "HHQ8x") if is_big else ("4xI", "H", "HHI4x"))
    )
    try:
        (place,) = head.unpack(body[: head.size])
        (entries,) = number.unpack(body[place : place + number.size])
        for start in range(place + number.size, place + number.size + entries * entry.size, entry.size):
            tag, _, count = entry.unpack(body[start : start + entry.size])
            yield tag, count
    except struct.error:
        return
