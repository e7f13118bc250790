"""Small copies of a few images, taken from the class tars."""

import io
import tarfile
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from parley.errors import ParleyError
from parley.images import open_image, to_rgb

SIDE_PX = 160
QUALITY = 80


def read_thumbnails(tars: Sequence[str | Path], keys: Collection[str]) -> dict[str, bytes]:
    """Take images out of tars by key and make them small.

    Parameters
    ----------
    tars
        Class tars with members `<key>.<ext>`.
    keys
        Keys of the images wanted.

    Returns
    -------
    dict[str, bytes]
        Key → JPEG of at most `SIDE_PX` a side; a key that is in no tar is left out.

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
                        found[key] = _small(stream.read(), f"{member.name} of {path}")
        except (OSError, tarfile.TarError) as error:
            raise ParleyError(f"{path} cannot be read as a tar ({error}); make it again.") from error
    return found


def _small(content: bytes, where: str) -> bytes:
    try:
        with open_image(content) as image:
            image.draft("RGB", (SIDE_PX, SIDE_PX))
            small = to_rgb(image)
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise ParleyError(f"{where} cannot be shown ({error}); fetch its class again.") from error
    small.thumbnail((SIDE_PX, SIDE_PX))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()
