"""Images from anywhere: which formats are read, what is unusual about one, and how each becomes RGB."""

import io
import logging
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

logger = logging.getLogger(__name__)
# Formats are named, so that no decoder of anything odder is ever given bytes from outside.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
SUFFIXES = {
    "JPEG": "jpg",
    "MPO": "jpg",  # what Pillow calls a JPEG with further views behind it
    "PNG": "png",
    "GIF": "gif",
    "WEBP": "webp",
    "BMP": "bmp",
    "TIFF": "tif",
}
_EXIF_ORIENTATION = 0x0112
_TIFF_PHOTOMETRIC, _WHITE_IS_ZERO = 0x0106, 0
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED_BY_A_QUARTER = (5, 6, 7, 8)
# Where Pillow leaves what says how to turn an image.
_PLACES_OF_EXIF = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
# Of gray PNGs with few bits, Pillow scales the values and not the one that stands for transparent.
_SCALES_OF_FEW_BITS = {"L;2": 85, "L;4": 17}
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
_ROWS_AT_ONCE = 256
# Pillow loads its decoders when they are first wanted, which many threads would do at once.
Image.init()


def open_image(content: bytes) -> Image.Image:
    """Open an image by its bytes, of one of `FORMATS`; its header is read, and no pixel is decoded.

    Damaged bytes make Pillow raise nearly anything.
    """
    return Image.open(io.BytesIO(content), formats=FORMATS)


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height of an opened image as stored, whatever its orientation, which Pillow heeds in a TIFF."""
    width, height = image.size
    lies = image.format == "TIFF" and _orientation(image) in _TURNED_BY_A_QUARTER
    return (height, width) if lies else (width, height)


def kinds_of(image: Image.Image, among: Collection[str] | None = None) -> tuple[str, ...]:
    """Name what is unusual about an image, from its header.

    Parameters
    ----------
    image
        As `open_image` gives it: opened, and not yet decoded.
    among
        The kinds to look for, of `KINDS`; None for all.

    Returns
    -------
    Kinds, in the order of `KINDS`:

    - `animated`: a second frame or page. The further views of a JPEG (MPO) are none: viewers show the first.
    - `cmyk`: inks in place of red, green and blue.
    - `sixteen_bit`: more than eight bits a channel.
    - `transparent`: an alpha channel or a transparent colour, even if every pixel is opaque: the header does not say.
    - `rotated`: EXIF or XMP asks for a rotation or a mirroring.
    """
    return tuple(kind for kind, is_so in KINDS.items() if (among is None or kind in among) and is_so(image))


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image as a viewer shows it, in 8-bit RGB.

    Of several frames the first. Turned upright by its EXIF orientation; transparency laid on white; inks
    converted by the colour profile that comes with them, if it can be used; more than 8 bits scaled to 8.
    """
    rawmode = _rawmode(image)
    image.load()  # Pillow turns a TIFF upright as it loads it, and only then takes its orientation away.
    profile, negative = image.info.get("icc_profile"), _is_negative(image)
    image = _upright(image)
    transparent = _transparent_value(image, rawmode)
    if _is_deep(image):
        image = _eight_bit(image, 4095 if rawmode == "I;12" else 65535, transparent, negative)
        transparent = None
    if image.mode == "CMYK":
        return _from_inks(image, profile)
    if image.mode == "LAB":
        return _through_profile(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    return _on_white(image, transparent).convert("RGB")


def _is_animated(image: Image.Image) -> bool:
    # `n_frames` would run through all frames of a GIF and all pages of a TIFF; this stops at the second.
    return image.format != "MPO" and bool(getattr(image, "is_animated", False))


def _is_sixteen_bit(image: Image.Image) -> bool:
    # Pillow gives colours of 16 bits as 8; only how it will unpack them says so.
    return _is_deep(image) or ";16" in _rawmode(image)


def _is_rotated(image: Image.Image) -> bool:
    says = image.format == "TIFF" or any(place in image.info for place in _PLACES_OF_EXIF)
    return says and _orientation(image) in _UPRIGHT


KINDS: dict[str, Callable[[Image.Image], bool]] = {
    "animated": _is_animated,
    "cmyk": lambda image: image.mode == "CMYK",
    "sixteen_bit": _is_sixteen_bit,
    "transparent": lambda image: image.has_transparency_data,
    "rotated": _is_rotated,
}
"""Every kind of image that is unusual and not broken, and how it is told."""


def _rawmode(image: Image.Image) -> str:
    """Return how the pixels are stored, in Pillow's terms; empty once they are decoded, or where it is not said."""
    tiles = getattr(image, "tile", None)
    args: Any = tiles[0][3] if tiles else None
    rawmode = args[0] if isinstance(args, tuple) and args else args
    return rawmode if isinstance(rawmode, str) else ""


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _is_negative(image: Image.Image) -> bool:
    """Say whether zero is white; Pillow sees to that itself where there are 8 bits."""
    tags = getattr(image, "tag_v2", {})
    return _is_deep(image) and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO


def _orientation(image: Image.Image) -> int | None:
    try:
        # Not a PNG's own `getexif`, which would decode the image to find EXIF that comes behind it.
        orientation = Image.Image.getexif(image).get(_EXIF_ORIENTATION)
    except Exception:  # noqa: BLE001 - a damaged EXIF block says nothing of how to turn the image: it stays
        return None
    return orientation if isinstance(orientation, int) else None


def _upright(image: Image.Image) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(image) or 1)
    return image if turn is None else image.transpose(turn)


def _eight_bit(image: Image.Image, white: int, transparent: Any, negative: bool) -> Image.Image:
    """Scale values by 255/white; floats and wider integers have no fixed white, so by their own range."""
    values = np.asarray(image)
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 65535:
        # A table of 65,536 values takes a fraction of the memory of floats for each pixel.
        table = np.clip(np.arange(65536) * (255 / white), 0, 255).round().astype(np.uint8)
        scaled = table[values]
    else:
        scaled = _by_own_range(values)
    gray = Image.fromarray(255 - scaled if negative else scaled)
    if not isinstance(transparent, int):
        return gray
    alpha = Image.fromarray(np.where(values == transparent, np.uint8(0), np.uint8(255)))
    return Image.merge("LA", (gray, alpha))


def _by_own_range(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale values so that the lowest becomes 0 and the highest 255; what is no number becomes 0."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        rows = np.nan_to_num(values[start : start + _ROWS_AT_ONCE].astype(np.float64), nan=low, posinf=high, neginf=low)
        scaled[start : start + _ROWS_AT_ONCE] = ((rows - low) * (255 / max(high - low, 1e-12))).round()
    return scaled


def _from_inks(image: Image.Image, profile: Any) -> Image.Image:
    """Convert CMYK by its profile; without one that can be used, as light that passes through each ink."""
    if isinstance(profile, bytes):
        try:
            inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if inks.profile.xcolor_space.strip() == "CMYK":
                return _through_profile(image, inks)
            logger.warning("A colour profile for inks is one of %r; it is left alone.", inks.profile.xcolor_space)
        except (OSError, ImageCms.PyCMSError) as error:
            logger.warning("A colour profile for inks cannot be used (%s); it is left alone.", error)
    return image.convert("RGB")


def _through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), image.mode, "RGB").apply(image)


def _transparent_value(image: Image.Image, rawmode: str) -> Any:
    """Return what stands for transparent, in the values of the pixels; None where nothing does.

    A PNG's text named `transparency` lands in the same place as the transparent colour: it is passed over.
    """
    value = image.info.get("transparency")
    if image.mode == "P" and isinstance(value, bytes | int):
        return value
    if image.mode == "RGB" and isinstance(value, tuple):
        return tuple(part >> 8 for part in value) if ";16" in rawmode else value
    if image.mode in ("1", "L", "I;16") and isinstance(value, int):
        return value * _SCALES_OF_FEW_BITS.get(rawmode, 1)
    return None


def _on_white(image: Image.Image, transparent: Any) -> Image.Image:
    if image.info.get("transparency") != transparent:
        image = image.copy()
        image.info = {name: value for name, value in image.info.items() if name != "transparency"}
        if transparent is not None:
            image.info["transparency"] = transparent
    if not image.has_transparency_data:
        return image
    straight = image.convert(_PREMULTIPLIED[image.mode]) if image.mode in _PREMULTIPLIED else image
    layered = straight.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
