"""Image files written byte by byte, so that what they hold is known without the decoder under test."""

import io
import itertools
import struct
import zlib

from PIL import Image

D50 = struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
GRAY, RGB, GRAY_ALPHA, RGB_ALPHA = 0, 2, 4, 6
"""Colour types of PNG."""
CHANNELS = {GRAY: 1, RGB: 3, GRAY_ALPHA: 2, RGB_ALPHA: 4}
MIN_IS_WHITE, MIN_IS_BLACK, TIFF_RGB, TIFF_INKS, TIFF_LAB = 0, 1, 2, 5, 8
"""Photometric interpretations of TIFF."""


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, depth, colour_type, rows, before=(), after=()):
    """A PNG of unfiltered rows, with further chunks (name, content) before and after the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    lines = b"".join(b"\0" + row for row in rows)
    chunks = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(lines)), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def flat_png(depth, colour_type, pixel, side=4, **chunks):
    """A PNG of one colour; `pixel` has a value a channel."""
    row = struct.pack(f">{len(pixel)}{'H' if depth == 16 else 'B'}", *pixel) * side
    return png(side, side, depth, colour_type, [row] * side, **chunks)


def tiff(width, height, bits, photometric, data, extra=(), order="<"):
    """A TIFF of one uncompressed strip, with `bits` a channel and further tags (number, type, values)."""
    kinds = {1: "B", 2: "B", 3: "H", 4: "I"}
    tags = [(256, 4, [width]), (257, 4, [height]), (258, 3, bits), (259, 3, [1]), (262, 3, [photometric])]
    tags += [(277, 3, [len(bits)]), (278, 4, [height]), (273, 4, [0]), (279, 4, [len(data)]), *extra]
    start = 8 + 2 + 12 * len(tags) + 4
    rows, beyond = b"", b""
    for number, kind, values in sorted(tags):
        content = struct.pack(f"{order}{len(values)}{kinds[kind]}", *values)
        if number == 273:
            content = struct.pack(f"{order}I", 0xDA7A)  # put right below, when it is known
        if len(content) > 4:
            content, beyond = struct.pack(f"{order}I", start + len(beyond)), beyond + content
        rows += struct.pack(f"{order}HHI", number, kind, len(values)) + content.ljust(4, b"\0")
    place = struct.pack(f"{order}HHI", 273, 4, 1)
    rows = rows.replace(place + struct.pack(f"{order}I", 0xDA7A), place + struct.pack(f"{order}I", start + len(beyond)))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return head + rows + bytes(4) + beyond + data


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def four_layer_jpeg(samples, transform, profile=b""):
    """A baseline JPEG of 8 x 8 pixels whose four layers hold one value each, as Adobe's programs write it.

    Each layer is one block with nothing but its mean, written by hand. `transform` 0 says that the layers
    are inks, 2 that the first three are luminance and two colour differences.
    """
    layers = range(1, 5)
    bits = ""
    for sample in samples:
        mean = 8 * (sample - 128)
        size = abs(mean).bit_length()
        bits += f"{size:04b}"
        if size:
            bits += f"{mean if mean > 0 else mean + (1 << size) - 1:0{size}b}"
        bits += "0"  # the end of the block
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    parts = [
        b"\xff\xd8",
        segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform)),
        segment(0xE2, b"ICC_PROFILE\0\1\1" + profile) if profile else b"",
        segment(0xDB, b"\0" + b"\1" * 64),
        segment(0xC0, struct.pack(">BHHB", 8, 8, 8, 4) + b"".join(bytes([layer, 0x11, 0]) for layer in layers)),
        # Twelve sizes of a mean, each with a code of four bits; of the rest only the end of the block, one bit.
        segment(0xC4, b"\0" + bytes([0, 0, 0, 12, *[0] * 12]) + bytes(range(12))),
        segment(0xC4, b"\x10" + bytes([1, *[0] * 15]) + b"\0"),
        segment(0xDA, b"\4" + b"".join(bytes([layer, 0]) for layer in layers) + b"\0\x3f\0"),
        scan,
        b"\xff\xd9",
    ]
    return b"".join(parts)


def ink_profile(lab_of_inks, colours=b"CMYK"):
    """An ICC profile that gives CIE L*a*b* (D50) for each of the sixteen ways to print inks fully or not at all."""
    corners = (lab_of_inks(corner) for corner in itertools.product((False, True), repeat=4))
    grid = bytes(itertools.chain(*((round(light * 2.55), round(a) + 128, round(b) + 128) for light, a, b in corners)))
    linear = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (place % 4 == 0) for place in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + linear * 4 + grid + linear * 3
    start = 128 + 4 + 12
    header = struct.pack(">IIB3x", start + len(table), 0, 2) + b"prtr" + colours + b"Lab " + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + D50
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", start, len(table)) + table


def frames(number, side=8):
    """Pictures that differ, to be shown one after another; the first is all red."""
    return [Image.new("RGB", (side, side), (255 if i == 0 else i % 200, i * 50 % 256, 0)) for i in range(number)]


def animation(kind, number=2, side=8):
    """Several frames in one file; of kind `MPO` several views of one scene."""
    first, *others = frames(number, side)
    return encoded(first, kind, save_all=True, append_images=others)
