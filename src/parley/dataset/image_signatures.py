"""Tell files apart by their first bytes, whatever they are called. Imports no decoder."""

import posixpath

HEAD_BYTES = 512
"""Number of bytes of a file that `kind_of_file` needs."""
HEIC, HIDDEN, TEXT = "HEIC", "hidden", "text"
_KNOWN_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"})
_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
# Camera raw files are TIFFs whose first image is a thumbnail.
_RAW_SUFFIXES = frozenset({".dng", ".nef", ".nrw", ".cr2", ".arw", ".sr2", ".srw", ".pef", ".orf", ".rw2", ".3fr"})
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    b"%PDF": "PDF",
    b"8BPS": "PSD",
    b"\0\0\1\0": "ICO",
    b"icns": "ICNS",
    **dict.fromkeys((b"\xff\x0a", b"\0\0\0\x0cJXL "), "JPEG XL"),
    **dict.fromkeys((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "), "JPEG 2000"),
}
_ALL_STARTS = tuple(_STARTS)
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "animated AVIF",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), HEIC),
}
_HEIF_BRANDS = frozenset({b"mif1", b"msf1"})
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
"""Image formats that are read, by Pillow's names."""
OTHERS = ("PDF", "PSD", "ICO", "ICNS", "JPEG XL", "JPEG 2000", "animated AVIF", HEIC)
"""Formats that `kind_of_file` recognises, but that are not read."""
_TEXT = bytes(range(32, 127)) + b"\t\r\n\f\x1b" + bytes(range(128, 256))


def is_hidden(path: str) -> bool:
    """Return whether a file, or a folder above it, is hidden: by a dot, or by macOS or Windows."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return any(part.startswith(".") for part in parts) or posixpath.basename(path).lower() in _SYSTEM_FILES


def has_image_suffix(name: str) -> bool:
    """Return whether a file name has a usual suffix of an image. Such a file is a candidate, whatever it holds."""
    return posixpath.splitext(name)[1].lower() in _KNOWN_SUFFIXES


def kind_of_file(name: str, head: bytes) -> str:
    """Return the kind of a file: one of `FORMATS` or `OTHERS`, or another name for the log.

    Parameters
    ----------
    name
        Name of the file, used only to distinguish camera raw files from TIFFs; may be empty.
    head
        The first `HEAD_BYTES` bytes of the file, or all if it is shorter.
    """
    if posixpath.splitext(name)[1].lower() in _RAW_SUFFIXES:
        return "camera raw"
    if head.startswith(_ALL_STARTS):
        return next(kind for start, kind in _STARTS.items() if head.startswith(start))
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(int.from_bytes(head[:4]), len(head)), 4))]
        of_others = HEIC if _HEIF_BRANDS.intersection(brands) else "video"
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), of_others)
    if b"<svg" in head:
        return "SVG"
    if not head:
        return "empty"
    return TEXT if not head.translate(None, _TEXT) else "unknown"
