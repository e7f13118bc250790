"""From the bytes of an image file to the square of RGB pixels that a network sees. Imports no torch."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parley.features.options import Transform

Pixels = NDArray[np.uint8]
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# Named, so that bytes from outside never reach the decoder of anything odder.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
# A strip of 1 x 50,000 px would grow to gigabytes when its shorter side is resized; only its middle is seen.
_LONGEST_ASPECT = 20
# Pillow loads its decoders when they are first wanted, which many threads would do at once.
Image.init()


class UnreadableImageError(Exception):
    """The reason why bytes are no image; its first word is the class of the error."""


def pixels_of(content: bytes, transform: Transform) -> Pixels:
    """Decode an image and cut the square ``[crop_px, crop_px, 3]`` out of it.

    Equal, pixel by pixel, to torchvision's `Resize` and `CenterCrop` of the RGB image; Pillow's filters
    are antialiased when they shrink.

    Raises
    ------
    UnreadableImageError
        When the bytes are no whole image, or of more pixels than Pillow takes for safe.
    """
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            square = _centre(_resized(to_rgb(image), transform), transform.crop_px)
            return np.array(square, dtype=np.uint8)
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise UnreadableImageError(f"{type(error).__name__}: {error}") from error


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image as a viewer shows it, in 8-bit RGB.

    Turned upright by its EXIF orientation; transparency laid on white; 16-bit values scaled to 8 bits.
    """
    image = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    return image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # noqa: BLE001 - a damaged EXIF block says nothing of how to turn the image: it stays
        orientation = None
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit values by 255/65535; floats and wider integers have no fixed white, so by their own range."""
    values = np.asarray(image).astype(np.float64)
    low, high = 0.0, 65535.0
    if image.mode == "F" or values.min() < low or values.max() > high:
        low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255 / max(high - low, 1e-12))
    return Image.fromarray(scaled.round().astype(np.uint8))


def _resized(image: Image.Image, transform: Transform) -> Image.Image:
    image = _without_far_ends(image)
    width, height = image.size
    shorter = min(width, height)
    longer_px = int(transform.resize_px * max(width, height) / shorter)
    size = (transform.resize_px, longer_px) if width <= height else (longer_px, transform.resize_px)
    return image if size == image.size else image.resize(size, _FILTERS[transform.interpolation])


def _without_far_ends(image: Image.Image) -> Image.Image:
    width, height = image.size
    longest = _LONGEST_ASPECT * min(width, height)
    if max(width, height) <= longest:
        return image
    cut_x, cut_y = max(width - longest, 0) // 2, max(height - longest, 0) // 2
    return image.crop((cut_x, cut_y, width - cut_x, height - cut_y))


def _centre(image: Image.Image, size_px: int) -> Image.Image:
    left, top = (round((side - size_px) / 2) for side in image.size)
    return image.crop((left, top, left + size_px, top + size_px))
