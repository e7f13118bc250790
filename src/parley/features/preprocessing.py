"""Decode images from tars to pixel arrays in threads, before they are needed. Does not import torch."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parley.dataset.image_formats import open_image, to_rgb
from parley.dataset.tars import key_of, packed_images
from parley.features.class_files import KnownRows, RowIdentity
from parley.features.options import Transform

Pixels = NDArray[np.uint8]
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# More elongated images are cropped to this aspect ratio, because resizing 1 x 50,000 px would take gigabytes.
_LONGEST_ASPECT = 20


class UnreadableImageError(Exception):
    """Raised if bytes are not a readable image. The message starts with the type of the original exception."""


def pixels_of(content: bytes, transform: Transform) -> Pixels:
    """Decode and resize an image, and return its central square ``[crop_px, crop_px, 3]``.

    The result equals that of torchvision's `Resize` and `CenterCrop` for the RGB image, pixel by pixel, or that of
    timm's and open_clip's transforms. Pillow's filters are antialiased when they shrink an image.

    Raises
    ------
    UnreadableImageError
        If the bytes are not a complete image, or exceed Pillow's limit on pixels.
    """
    try:
        with open_image(content) as image:
            square = _centre(_resized(to_rgb(image), transform), transform)
            return np.array(square, dtype=np.uint8)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises arbitrary exceptions for damaged files
        raise UnreadableImageError(f"{type(error).__name__}: {error}") from error


def _resized(image: Image.Image, transform: Transform) -> Image.Image:
    image = _without_far_ends(image)
    size = _size_of(*image.size, transform)
    return image if size == image.size else image.resize(size, _FILTERS[transform.interpolation])


def _size_of(width: int, height: int, transform: Transform) -> tuple[int, int]:
    """Return the width and height to which an image is resized."""
    px = transform.resize_px
    if transform.resized == "squash":
        return px, px
    if transform.resized == "longest":
        ratio = max(width, height) / px
        return round(width / ratio), round(height / ratio)
    longer_px = int(px * max(width, height) / min(width, height))
    return (px, longer_px) if width <= height else (longer_px, px)


def _without_far_ends(image: Image.Image) -> Image.Image:
    width, height = image.size
    longest = _LONGEST_ASPECT * min(width, height)
    if max(width, height) <= longest:
        return image
    cut_x, cut_y = max(width - longest, 0) // 2, max(height - longest, 0) // 2
    return image.crop((cut_x, cut_y, width - cut_x, height - cut_y))


def _centre(image: Image.Image, transform: Transform) -> Image.Image:
    size_px = transform.crop_px
    if transform.resized == "longest":
        image = _padded(image, transform)
    left, top = (round((side - size_px) / 2) for side in image.size)
    return image.crop((left, top, left + size_px, top + size_px))


def _padded(image: Image.Image, transform: Transform) -> Image.Image:
    """Add borders to an image whose width or height is smaller than the crop's."""
    width, height = (max(side, transform.crop_px) for side in image.size)
    canvas = Image.new("RGB", (width, height), transform.fill)
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


class Decoded(NamedTuple):
    """Result for one image: its pixels, the location of its existing features, or the reason why it is unreadable."""

    tar: int  # index of the image's tar in `tar_paths`
    identity: RowIdentity
    pixels: Pixels | None = None
    known: tuple[int, int] | None = None  # location of existing features, from `KnownRows.find`
    reason: str = ""  # reason why the image could not be read; empty if it could


def decoded_ahead(
    tar_paths: Sequence[str | Path], known: KnownRows, transform: Transform, threads: int, ahead: int
) -> Iterator[Decoded]:
    """Yield the images of the tars in order. Threads decode up to `ahead` images in advance.

    An image is not decoded if its features are in `known` and can be copied.
    """
    waiting: deque[Future[Decoded]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for tar, path in enumerate(tar_paths):
                for member, content in packed_images(path):
                    waiting.append(pool.submit(_decoded, tar, member, content, known, transform))
                    if len(waiting) > ahead:
                        yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _decoded(tar: int, member: str, content: bytes, known: KnownRows, transform: Transform) -> Decoded:
    identity = RowIdentity(key_of(member), member, hashlib.sha256(content).hexdigest())
    ref = known.find(identity.sha256)
    if ref is not None:
        return Decoded(tar, identity, known=ref)
    try:
        return Decoded(tar, identity, pixels=pixels_of(content, transform))
    except UnreadableImageError as error:
        return Decoded(tar, identity, reason=str(error))
