"""Write and read tars of images, one per class, with members named ``<key>.<extension>``."""

import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.tar_headers import is_file, members_of

_MEMBER = re.compile(r"[0-9a-f]{32}\.[A-Za-z0-9]{1,16}")


def write_tar(path: Path, images: Iterable[tuple[str, bytes]]) -> None:
    """Write a tar of images, given the file name and bytes of each; the same images give the same tar."""
    with path.open("wb", buffering=1 << 20) as stream:
        for name, body in images:
            # Modification times and owners are zero. `TarFile.addfile` would copy each header and body once more.
            header = tarfile.TarInfo(name)
            header.size = len(body)
            stream.write(header.tobuf(tarfile.PAX_FORMAT))
            stream.write(body)
            stream.write(bytes(-len(body) % tarfile.BLOCKSIZE))
        end = 2 * tarfile.BLOCKSIZE
        stream.write(bytes(end + -(stream.tell() + end) % tarfile.RECORDSIZE))


def key_of(member: str) -> str:
    """Return the key of an image, given the name of its file in a tar."""
    return member.split(".")[0]


def packed_images(path: str | Path) -> Iterator[tuple[str, bytes]]:
    """Yield the file name, ``<key>.<extension>``, and the bytes of each image in a tar, one by one.

    Raises
    ------
    ParleyError
        If the tar is missing, damaged, or not written by the workflow's rule `images`.
    """
    with _reported(path), Path(path).open("rb") as stream:
        for member in members_of(path):
            if not is_file(member) or not _MEMBER.fullmatch(member.name):
                raise ParleyError(
                    f"{path} contains {member.name!r}, which is not an image named by its key; "
                    "use a tar written by the rule `images`."
                )
            yield member.name, os.pread(stream.fileno(), member.size, member.offset_data)


def count_images(path: str | Path) -> int:
    """Count the images in a tar. Only the tar's headers are read, not the images.

    Raises
    ------
    ParleyError
        If the tar is missing or damaged, or two members have the same key.
    """
    count, keys = 0, set()
    with _reported(path):
        for member in members_of(path):
            count += 1
            keys.add(key_of(member.name))
    if len(keys) != count:
        raise ParleyError(f"{path} has {count - len(keys)} images with repeated keys; remove it and run again.")
    return count


@contextmanager
def _reported(path: str | Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; run `uv run snakemake --cores 1 images` first.") from error
    except tarfile.TarError as error:
        raise ParleyError(f"{path} is a truncated or damaged tar ({error}); remove it and run again.") from error
