"""Perceptual hashes of images. Images that look alike have similar hashes, even if size or quality differ.

The hash is the 64-bit `phash` of the package imagehash. Each bit is 1 if one of 64 low-frequency coefficients of
the image's cosine transform is above the median of the 64. Other tools that use imagehash compute the same values.
"""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from parley.core.progress import Progress
from parley.core.tables import stream_table, write_table
from parley.dataset.image_formats import open_image, to_rgb
from parley.dataset.tars import key_of, packed_images

logger = logging.getLogger(__name__)
HASH_COLUMNS = ("key", "phash")
# The hash uses 32 x 32 pixels. Decoding a JPEG at 1/8 to 1/2 of its size takes a fraction of the time; if each side
# still has at least 64 pixels, at most 2 bits of the hash differ.
_DECODED_PX = 64
_AHEAD = 16


def hash_classes(tars: Sequence[str | Path], destinations: Sequence[str | Path], threads: int = 1) -> int:
    """Write the hashes of each class's images as a TSV with the columns key and phash (16 hexadecimal digits).

    Parameters
    ----------
    tars
        Path of each class's tar of images, with members named ``<key>.<extension>``.
    destinations
        Path of the TSV to write for each class.
    threads
        Number of images decoded concurrently.

    Returns
    -------
    The number of images that could not be decoded. These images have no row.

    Raises
    ------
    ParleyError
        If a tar is missing, damaged, or not written by the rule `images`.
    """
    undecodable = 0
    with Progress("Hashing images", None, "image") as progress, ThreadPoolExecutor(threads) as pool:
        for tar, destination in zip(tars, destinations, strict=True):
            rows = []
            for key, phash in _hashed(tar, pool):
                progress.advance()
                if phash is not None:
                    rows.append((key, phash))
                else:
                    undecodable += 1
                    logger.warning("%s: image %s cannot be decoded and has no hash", tar, key)
            write_table(destination, HASH_COLUMNS, rows)
    return undecodable


def read_hashes(path: str | Path) -> Iterator[tuple[str, int]]:
    """Yield the key and hash of each image in a table written by `hash_classes`."""
    for key, phash in stream_table(path, HASH_COLUMNS):
        yield key, int(phash, 16)


def phash_of(content: bytes) -> str | None:
    """Return the hash of an encoded image in hexadecimal, or None if the bytes cannot be decoded."""
    import imagehash  # Imported here because it loads SciPy, which reading hashes does not need.

    try:
        with open_image(content) as image:
            image.draft("L", (_DECODED_PX, _DECODED_PX))
            return str(imagehash.phash(to_rgb(image)))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - on damaged files Pillow raises exceptions of many types
        return None


def _hashed(tar: str | Path, pool: ThreadPoolExecutor) -> Iterator[tuple[str, str | None]]:
    """Yield the key and hash (None if undecodable) of each image, in the tar's order; decode a few images ahead."""
    pending: deque[tuple[str, Future[str | None]]] = deque()
    for member, content in packed_images(tar):
        pending.append((key_of(member), pool.submit(phash_of, content)))
        if len(pending) > _AHEAD:
            key, hashed = pending.popleft()
            yield key, hashed.result()
    for key, hashed in pending:
        yield key, hashed.result()
