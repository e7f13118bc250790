"""Decode images in threads ahead of the network, in the order of the tars."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from parley.features.classfiles import RowIdentity
from parley.features.options import Transform
from parley.features.preprocessing import Pixels, UnreadableImageError, pixels_of
from parley.features.reuse import KnownRows, RowRef
from parley.features.tars import PackedImage, packed_images


class Decoded(NamedTuple):
    """A decoded image, or the reason why there is none.

    Attributes
    ----------
    tar
        Index of its tar.
    identity
        Key, file name and SHA-256.
    pixels
        Input of the network; None if its row is known or the image cannot be read.
    known
        Where its features were computed before, if they were.
    reason
        Why it cannot be read; empty if it can.
    """

    tar: int
    identity: RowIdentity
    pixels: Pixels | None = None
    known: RowRef | None = None
    reason: str = ""


def decoded_ahead(
    tar_paths: Sequence[str | Path], known: KnownRows, transform: Transform, threads: int, ahead: int
) -> Iterator[Decoded]:
    """Yield the images of the tars in order.

    Parameters
    ----------
    tar_paths
        The tars.
    known
        Rows computed before; their images are not decoded.
    transform
        How images are converted to the network's input.
    threads
        Number of decoding threads.
    ahead
        Number of images decoded in advance.
    """
    waiting: deque[Future[Decoded]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for tar, path in enumerate(tar_paths):
                for packed in packed_images(path):
                    waiting.append(pool.submit(_decoded, tar, packed, known, transform))
                    if len(waiting) > ahead:
                        yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _decoded(tar: int, packed: PackedImage, known: KnownRows, transform: Transform) -> Decoded:
    identity = RowIdentity(packed.key, packed.member, packed.sha256)
    ref = known.find(identity.sha256)
    if ref is not None:
        return Decoded(tar, identity, known=ref)
    try:
        return Decoded(tar, identity, pixels=pixels_of(packed.content, transform))
    except UnreadableImageError as error:
        return Decoded(tar, identity, reason=str(error))
