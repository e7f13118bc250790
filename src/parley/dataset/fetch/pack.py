"""A class's images and their manifest, the same bytes on disk whenever the same images come in."""

import hashlib
import tarfile
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from parley.core.errors import ParleyError
from parley.core.files import remove_leftovers, write_table, written_aside
from parley.dataset.fetch.outcomes import MANIFEST_COLUMNS, FetchResult

BodyOf = Callable[[FetchResult], bytes | None]


class Packer:
    """Packs one class after another while others are fetched.

    Parameters
    ----------
    folder
        Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pack")
        self._packing: deque[Future[None]] = deque()

    def pack(self, name: str, tried: Sequence[FetchResult], body_of: BodyOf) -> None:
        """Have a class packed as `pack_class` does; what went wrong with an earlier one is raised here."""
        while self._packing and self._packing[0].done():
            self._packing.popleft().result()
        self._packing.append(self._thread.submit(pack_class, name, tried, body_of, self._folder))

    def wait(self) -> None:
        """Wait until all is packed, and raise what went wrong."""
        while self._packing:
            self._packing.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)


def pack_class(name: str, tried: Sequence[FetchResult], body_of: BodyOf, folder: str | Path) -> None:
    """Write `<class>.tar` with the images and `<class>.tsv` with a row for every URL tried.

    Parameters
    ----------
    name
        The class.
    tried
        What came of each URL, in the order of the plan, which the tar and the manifest keep.
    body_of
        Gives the bytes of an image again: they are not all held in memory meanwhile.
    folder
        Where to write.

    Raises
    ------
    ParleyError
        When an image's bytes are no longer those that were judged, or the disk is full.
    """
    tar, manifest = Path(folder) / f"{name}.tar", Path(folder) / f"{name}.tsv"
    for path in (tar, manifest):
        remove_leftovers(path)
    with written_aside(tar) as aside:
        _write_tar(aside, [image for image in tried if image.is_ok], body_of)
    write_table(manifest, MANIFEST_COLUMNS, (image.manifest_row() for image in tried))


def _write_tar(path: Path, images: Sequence[FetchResult], body_of: BodyOf) -> None:
    """Write the members one by one; `TarFile.addfile` would copy each header and each body once more."""
    with path.open("wb", buffering=1 << 20) as stream:
        for image in images:
            body = _checked(image, body_of(image))
            stream.write(_header(image).tobuf(tarfile.USTAR_FORMAT))
            stream.write(body)
            stream.write(bytes(-len(body) % tarfile.BLOCKSIZE))
        end = 2 * tarfile.BLOCKSIZE
        stream.write(bytes(end + -(stream.tell() + end) % tarfile.RECORDSIZE))


def _header(image: FetchResult) -> tarfile.TarInfo:
    """Return a member's header; times and owners are left at zero, so that equal images make equal tars."""
    header = tarfile.TarInfo(f"{image.key}.{image.decision.suffix}")
    header.size = image.size_bytes or 0
    return header


def _checked(image: FetchResult, body: bytes | None) -> bytes:
    if body is None or hashlib.sha256(body).hexdigest() != image.sha256:
        raise ParleyError(
            f"The bytes of {image.url} changed or vanished while they were being packed; "
            "leave the source and the cache alone while images are fetched, and run again."
        )
    return body
