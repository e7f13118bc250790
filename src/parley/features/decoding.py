"""Images decoded ahead of the network, in threads, in the order of their tars."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from parley.features.classfiles import RowIdentity
from parley.features.options import Transform
from parley.features.preprocessing import Pixels, UnreadableImageError, pixels_of
from parley.features.reuse import KnownRows, Place
from parley.features.tars import PackedImage, packed_images


class Decoded(NamedTuple):
    """An image on its way to its row.

    Attributes
    ----------
    tar
        Which tar of the group it is from.
    identity
        What it is.
    pixels
        What the network sees; None where its row is known, or it cannot be read.
    known
        Where its row is known from.
    reason
        Why it cannot be read; empty where it can.
    """

    tar: int
    identity: RowIdentity
    pixels: Pixels | None = None
    known: Place | None = None
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
        Rows that need not be computed: of these, nothing is decoded.
    transform
        What the network wants to see.
    threads
        Threads that decode.
    ahead
        How many images are decoded before they are asked for.
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
    place = known.place_of(identity.sha256)
    if place is not None:
        return Decoded(tar, identity, known=place)
    try:
        return Decoded(tar, identity, pixels=pixels_of(packed.content, transform))
    except UnreadableImageError as error:
        return Decoded(tar, identity, reason=str(error))
