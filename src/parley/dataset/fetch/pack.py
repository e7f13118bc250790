"""Write a class's images to a tar and its manifest; equal images give byte-identical files."""

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
    """Packs classes in a background thread while others are fetched.

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
        """Queue a class for `pack_class`. Errors of earlier classes are raised here."""
        while self._packing and self._packing[0].done():
            self._packing.popleft().result()
        self._packing.append(self._thread.submit(pack_class, name, tried, body_of, self._folder))

    def wait(self) -> None:
        """Wait until all classes are packed; raise the first error."""
        while self._packing:
            self._packing.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)


def pack_class(name: str, tried: Sequence[FetchResult], body_of: BodyOf, folder: str | Path) -> None:
    """Write `<class>.tar` with the images and `<class>.tsv` with a row per URL tried.

    Parameters
    ----------
    name
        The class.
    tried
        The results in the order of the plan; tar and manifest keep this order.
    body_of
        Returns the bytes of an image, so that they need not all be in memory.
    folder
        Where to write.

    Raises
    ------
    ParleyError
        If an image's bytes have changed since validation, or the disk is full.
    """
    tar, manifest = Path(folder) / f"{name}.tar", Path(folder) / f"{name}.tsv"
    for path in (tar, manifest):
        remove_leftovers(path)
    with written_aside(tar) as aside:
        _write_tar(aside, [image for image in tried if image.is_ok], body_of)
    write_table(manifest, MANIFEST_COLUMNS, (image.manifest_row() for image in tried))


def _write_tar(path: Path, images: Sequence[FetchResult], body_of: BodyOf) -> None:
    """Write the members directly; `TarFile.addfile` would copy each header and body once more."""
    with path.open("wb", buffering=1 << 20) as stream:
        for image in images:
            body = _checked(image, body_of(image))
            stream.write(_header(image).tobuf(tarfile.USTAR_FORMAT))
            stream.write(body)
            stream.write(bytes(-len(body) % tarfile.BLOCKSIZE))
        end = 2 * tarfile.BLOCKSIZE
        stream.write(bytes(end + -(stream.tell() + end) % tarfile.RECORDSIZE))


def _header(image: FetchResult) -> tarfile.TarInfo:
    """Return a member's header; times and owners are zero, so that equal images give equal tars."""
    header = tarfile.TarInfo(f"{image.key}.{image.decision.suffix}")
    header.size = image.size_bytes or 0
    return header


def _checked(image: FetchResult, body: bytes | None) -> bytes:
    if body is None or hashlib.sha256(body).hexdigest() != image.sha256:
        raise ParleyError(
            f"The bytes of {image.url} changed or vanished while they were being packed; "
            "do not modify the source or the cache while images are fetched, and run again."
        )
    return body
