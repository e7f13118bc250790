"""Opening images, detection of unusual kinds of image, and conversion to RGB."""

import io
import logging
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image, ImageCms, PngImagePlugin

from parley.dataset.avif_work import check_avif
from parley.dataset.decoding_work import check_exif, check_work
from parley.dataset.image_signatures import FORMATS

logger = logging.getLogger(__name__)
SUFFIXES = {
    "JPEG": "jpg",
    "MPO": "jpg",  # Pillow's name for a JPEG that contains several images
    "PNG": "png",
    "GIF": "gif",
    "WEBP": "webp",
    "BMP": "bmp",
    "TIFF": "tif",
    "AVIF": "avif",
}
MOST_TEXT_BYTES = 16 << 20
"""Maximum size of a text or colour profile in a PNG. Pillow's own limit, 1 MiB, refuses images with long metadata."""
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
_QUARTER_TURNS = (5, 6, 7, 8)
# Keys of `Image.info` under which Pillow stores the orientation.
_ORIENTATION_KEYS = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
# For grayscale PNGs with 2 or 4 bits, Pillow scales the pixel values to 8 bits, but not the transparent value.
_FEW_BITS_SCALES = {"L;2": 85, "L;4": 17}
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
_SCALED_BANDS = {"RGB": 3, "RGBA": 3, "LA": 1}
"""Modes in which Pillow decodes 16-bit colours to 8 bits, with their number of bands other than transparency."""
_ROWS_AT_ONCE = 256
# Load the decoders now. Otherwise Pillow loads them at first use, when many threads would do it at the same time.
Image.init()
PngImagePlugin.MAX_TEXT_CHUNK = MOST_TEXT_BYTES
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # Images are decoded in parallel already.


def open_image(content: bytes) -> Image.Image:
    """Open an encoded image in one of `FORMATS`. Only the header is read; no pixels are decoded.

    For damaged bytes, Pillow raises exceptions of many types.

    Raises
    ------
    parley.dataset.decoding_work.TooComplexImageError
        If decoding the image would take far more time or memory than its number of pixels explains.
    """
    check_work(content)
    image = Image.open(io.BytesIO(content), formats=FORMATS)
    check_exif(image.info.get("exif"))
    check_avif(content, image.width * image.height)
    return image


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Return the width and height of an opened image in pixels, as stored. For rotated TIFFs, Pillow swaps the two."""
    width, height = image.size
    is_swapped = image.format == "TIFF" and _orientation(image) in _QUARTER_TURNS
    return (height, width) if is_swapped else (width, height)


def kinds_of(image: Image.Image, among: Collection[str] | None = None) -> tuple[str, ...]:
    """Return the unusual kinds of image (see `KINDS`) to which an image belongs, judging by its header.

    Parameters
    ----------
    image
        An image from `open_image`, not yet decoded.
    among
        The kinds to check; None for all of `KINDS`.

    Returns
    -------
    The kinds that apply, in the order of `KINDS`:

    - `animated`: more than one frame or page. Further images in a JPEG (MPO) do not count: viewers show the first.
    - `cmyk`: ink colours (CMYK) instead of red, green and blue.
    - `sixteen_bit`: more than eight bits per channel.
    - `transparent`: an alpha channel or a transparent colour, even if all pixels are opaque.
    - `rotated`: the EXIF or XMP orientation requires rotating or mirroring the image.
    """
    return tuple(kind for kind, is_so in KINDS.items() if (among is None or kind in among) and is_so(image))


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image to 8-bit RGB, as an image viewer would display it.

    Uses the first of several frames, applies the EXIF orientation, composites transparency on white, converts CMYK
    with the embedded colour profile if it is usable, and scales values of more than 8 bits to 8 bits.
    """
    rawmode, white = _rawmode(image), white_level(image)
    image.load()  # When Pillow loads a TIFF, it rotates the pixels and removes the orientation.
    profile, negative = image.info.get("icc_profile"), _is_negative(image)
    if (turn := _UPRIGHT.get(_orientation(image) or 1)) is not None:
        image = image.transpose(turn)
    transparent = _transparent_value(image, rawmode)
    if _is_deep(image):
        image = _eight_bit(image, white or 65535, transparent, negative)
        transparent = None
    if image.mode == "CMYK":
        return _from_cmyk(image, profile)
    if image.mode == "LAB":
        return _through_profile(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    return _on_white(image, transparent).convert("RGB")


def white_level(image: Image.Image) -> int | None:
    """Return the highest possible value of an image of more than 8 bits, as Pillow decodes it; None if it has 8 bits.

    The image must not have been decoded yet. Pillow decodes 16-bit colours to 8 bits.
    """
    rawmode = _rawmode(image)
    if _is_deep(image):
        return 4095 if rawmode == "I;12" else 65535
    return 255 if ";16" in rawmode else None


def uses_little_of_range(image: Image.Image, white: int | None) -> bool:
    """Return whether a decoded image of more than 8 bits has only values up to a sixteenth of its `white_level`.

    Such values are usually of 8, 10 or 12 bits, stored in 16; `to_rgb` makes them nearly uniform. It scales floats and
    integers outside [0, 65535] by their own range.
    """
    if white is None or (image.mode not in _SCALED_BANDS and not image.mode.startswith("I")):
        return False
    extrema: Any = image.getextrema()
    low, high = extrema if white > 255 else map(max, zip(*extrema[: _SCALED_BANDS[image.mode]], strict=True))
    return bool(low >= 0 and high <= white // 16)


def _is_rotated(image: Image.Image) -> bool:
    has_orientation = image.format == "TIFF" or any(key in image.info for key in _ORIENTATION_KEYS)
    return has_orientation and _orientation(image) in _UPRIGHT


KINDS: dict[str, Callable[[Image.Image], bool]] = {
    # `n_frames` would read all frames of a GIF and all pages of a TIFF; `is_animated` stops at the second.
    "animated": lambda image: image.format != "MPO" and bool(getattr(image, "is_animated", False)),
    "cmyk": lambda image: image.mode == "CMYK",
    "sixteen_bit": lambda image: white_level(image) is not None,
    "transparent": lambda image: image.has_transparency_data,
    "rotated": _is_rotated,
}
"""Kinds of image that are unusual but valid, each with the function that detects it."""


def _rawmode(image: Image.Image) -> str:
    """Return Pillow's name for the layout of the stored pixels; empty after decoding, or if it is unknown."""
    tiles = getattr(image, "tile", None)
    args: Any = tiles[0][3] if tiles else None
    rawmode = args[0] if isinstance(args, tuple) and args else args
    return rawmode if isinstance(rawmode, str) else ""


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _is_negative(image: Image.Image) -> bool:
    """Return whether 0 means white, in an image of more than 8 bits. Pillow inverts 8-bit images itself."""
    tags = getattr(image, "tag_v2", {})
    return _is_deep(image) and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO


def _orientation(image: Image.Image) -> int | None:
    try:
        # The base class's method is used: the method for PNGs decodes the pixels, to find EXIF data stored after them.
        orientation = Image.Image.getexif(image).get(_EXIF_ORIENTATION)
    except Exception:  # noqa: BLE001 - an image with a damaged EXIF block is not rotated
        return None
    return orientation if isinstance(orientation, int) else None


def _eight_bit(image: Image.Image, white: int, transparent: Any, negative: bool) -> Image.Image:
    """Convert pixels to 8 bits. If all are integers in [0, 65535], scale `white` to 255; else, use `_by_own_range`."""
    values = np.asarray(image)
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 65535:
        # A lookup table of 65,536 values needs much less memory than one float per pixel.
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
    """Scale values linearly so that the lowest finite value becomes 0 and the highest 255; NaN becomes 0."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        rows = np.nan_to_num(values[start : start + _ROWS_AT_ONCE].astype(np.float64), nan=low, posinf=high, neginf=low)
        scaled[start : start + _ROWS_AT_ONCE] = ((rows - low) * (255 / max(high - low, 1e-12))).round()
    return scaled


def _from_cmyk(image: Image.Image, profile: Any) -> Image.Image:
    """Convert a CMYK image to RGB with its colour profile or, if that is unusable, with Pillow's simple formula."""
    if isinstance(profile, bytes):
        try:
            inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if inks.profile.xcolor_space.strip() == "CMYK":
                return _through_profile(image, inks)
            logger.warning(
                "Ignoring the colour profile of a CMYK image: its colour space is %r.", inks.profile.xcolor_space
            )
        except (OSError, ImageCms.PyCMSError) as error:
            logger.warning("Ignoring the colour profile of a CMYK image: it is unusable (%s).", error)
    return image.convert("RGB")


def _through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), image.mode, "RGB").apply(image)


def _transparent_value(image: Image.Image, rawmode: str) -> Any:
    """Return the pixel value that means transparent (for a palette, possibly the alpha of each entry), or None.

    Pillow stores a PNG text chunk named `transparency` under the same key of `Image.info`; the chunk is ignored.
    """
    value = image.info.get("transparency")
    if image.mode == "P" and isinstance(value, bytes | int):
        return value
    if image.mode == "RGB" and isinstance(value, tuple):
        return tuple(channel >> 8 for channel in value) if ";16" in rawmode else value
    if image.mode in ("1", "L", "I;16") and isinstance(value, int):
        return value * _FEW_BITS_SCALES.get(rawmode, 1)
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
