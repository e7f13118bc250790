"""A class's images and their manifest, the same bytes on disk whenever the same images come in."""

import hashlib
import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from parley.errors import ParleyError
from parley.fetch.outcomes import MANIFEST_COLUMNS, Tried
from parley.files import write_table, written_aside


def pack_class(name: str, tried: Sequence[Tried], body_of: Callable[[Tried], bytes | None], folder: str | Path) -> None:
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
        When an image's bytes are no longer those that were judged.
    """
    folder = Path(folder)
    with written_aside(folder / f"{name}.tar") as aside, tarfile.open(aside, "w", format=tarfile.USTAR_FORMAT) as tar:
        for image in tried:
            if image.is_ok:
                tar.addfile(_header(image), io.BytesIO(_checked(image, body_of(image))))
    write_table(folder / f"{name}.tsv", MANIFEST_COLUMNS, (image.manifest_row() for image in tried))


def _header(image: Tried) -> tarfile.TarInfo:
    """Return a member's header; times and owners are left at zero, so that equal images make equal tars."""
    header = tarfile.TarInfo(f"{image.key}.{image.verdict.suffix}")
    header.size = image.size_bytes or 0
    return header


def _checked(image: Tried, body: bytes | None) -> bytes:
    if body is None or hashlib.sha256(body).hexdigest() != image.sha256:
        raise ParleyError(
            f"The bytes of {image.url} changed or vanished while they were being packed; "
            "leave the source and the cache alone while images are fetched, and run again."
        )
    return body
