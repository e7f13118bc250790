"""Small copies of a few images, taken from the class tars."""

import io
import tarfile
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from PIL import Image

from parley.core.errors import ParleyError
from parley.dataset.image_formats import open_image, to_rgb

SIDE_PX = 160
QUALITY = 80
LOWERED_BY = 10


def read_thumbnails(
    tars: Sequence[str | Path], keys: Collection[str], side_px: int = SIDE_PX, max_bytes: int | None = None
) -> dict[str, bytes]:
    """Take images out of tars by key and make them small.

    Parameters
    ----------
    tars
        Class tars with members `<key>.<ext>`.
    keys
        Keys of the images wanted.
    side_px
        Longest side of what is returned.
    max_bytes
        What a JPEG may take; its quality is lowered, to 10 at least, until it does. None for no limit.

    Returns
    -------
    dict[str, bytes]
        Key → JPEG of at most `side_px` a side; a key that is in no tar is left out.

    Raises
    ------
    ParleyError
        When a tar or one of the images cannot be read.
    """
    found: dict[str, bytes] = {}
    for path in tars:
        try:
            with tarfile.open(path) as tar:
                for member in tar:
                    key = PurePosixPath(member.name).stem
                    stream = tar.extractfile(member) if key in keys and key not in found else None
                    if stream is not None:
                        small = _small(stream.read(), f"{member.name} of {path}", side_px)
                        found[key] = _as_jpeg(small, max_bytes)
        except (OSError, tarfile.TarError) as error:
            raise ParleyError(f"{path} cannot be read as a tar ({error}); make it again.") from error
    return found


def _small(content: bytes, where: str, side_px: int) -> Image.Image:
    try:
        with open_image(content) as image:
            image.draft("RGB", (side_px, side_px))
            small = to_rgb(image)
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise ParleyError(f"{where} cannot be shown ({error}); fetch its class again.") from error
    small.thumbnail((side_px, side_px))
    return small


def _as_jpeg(image: Image.Image, max_bytes: int | None) -> bytes:
    for quality in range(QUALITY, 0, -LOWERED_BY):
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        if max_bytes is None or stream.tell() <= max_bytes:
            break
    return stream.getvalue()
