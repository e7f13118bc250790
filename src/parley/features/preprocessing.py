"""Convert the bytes of an image file to a square of RGB pixels. Does not import torch."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parley.dataset.image_formats import open_image, to_rgb
from parley.features.options import Transform

Pixels = NDArray[np.uint8]
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# Resizing the shorter side of a 1 x 50,000 px strip would take gigabytes, although only its centre is used.
_LONGEST_ASPECT = 20


class UnreadableImageError(Exception):
    """Bytes are not a readable image; the message starts with the type of the original error."""


def pixels_of(content: bytes, transform: Transform) -> Pixels:
    """Decode an image and return its central square ``[crop_px, crop_px, 3]``.

    Equal, pixel by pixel, to torchvision's `Resize` and `CenterCrop` of the RGB image; Pillow's filters
    are antialiased when they shrink.

    Raises
    ------
    UnreadableImageError
        If the bytes are not a complete image, or exceed Pillow's limit on pixels.
    """
    try:
        with open_image(content) as image:
            square = _centre(_resized(to_rgb(image), transform), transform.crop_px)
            return np.array(square, dtype=np.uint8)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises arbitrary exceptions on damaged files
        raise UnreadableImageError(f"{type(error).__name__}: {error}") from error


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
