"""Perceptual hashes of the images of a class: alike for pictures that look alike, whatever their size and quality.

The hash is `phash` of the package imagehash, 64 bits: whether each of the lowest frequencies of the picture's
cosine transform is above their median. So it can be compared with what other tools find.
"""

import logging
import tarfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import imagehash

from parley.core.errors import ParleyError
from parley.core.files import write_table
from parley.core.progress import Progress
from parley.dataset.dedup.similar_pairs import HASH_COLUMNS
from parley.dataset.image_formats import open_image, to_rgb

logger = logging.getLogger(__name__)
# The hash looks at 32 x 32 pixels. A JPEG decodes at an eighth to a half of its size in a fraction of
# the time; from no fewer than twice as many pixels a side, at most 2 bits come out otherwise.
_DECODED_PX = 64
_AHEAD = 16


def hash_classes(tars: Sequence[str | Path], destinations: Sequence[str | Path], threads: int = 1) -> int:
    """Write the perceptual hash of each image of some classes, as a TSV a class: key, phash (16 hexadecimal digits).

    Parameters
    ----------
    tars
        A tar a class, its members named ``<key>.<extension>``.
    destinations
        The table of each.
    threads
        Images decoded at once.

    Returns
    -------
    How many images could not be decoded; they have no row.

    Raises
    ------
    ParleyError
        When a tar is missing or damaged.
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


def phash_of(content: bytes) -> str | None:
    """Return the hash of an image as a viewer shows it, or None where the bytes cannot be decoded."""
    try:
        with open_image(content) as image:
            image.draft("L", (_DECODED_PX, _DECODED_PX))
            return str(imagehash.phash(to_rgb(image)))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - damaged files make Pillow raise nearly anything
        return None


def _hashed(tar: str | Path, pool: ThreadPoolExecutor) -> Iterator[tuple[str, str | None]]:
    """Yield key and hash of each image of a tar, in its order, decoding a few ahead."""
    waiting: deque[tuple[str, Future[str | None]]] = deque()
    for key, content in _images(tar):
        waiting.append((key, pool.submit(phash_of, content)))
        if len(waiting) > _AHEAD:
            key, hashed = waiting.popleft()
            yield key, hashed.result()
    for key, hashed in waiting:
        yield key, hashed.result()


def _images(path: str | Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if (file := tar.extractfile(member)) is not None:
                    yield member.name.partition(".")[0], file.read()
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; run `snakemake images` first.") from error
    except tarfile.TarError as error:
        raise ParleyError(f"{path} is a truncated or damaged tar ({error}); remove it and run again.") from error
