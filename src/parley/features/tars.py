"""Read the images of a class from its tar one by one, in constant memory."""

import hashlib
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import ParleyError

_MEMBER = re.compile(r"[0-9a-f]{32}\.[A-Za-z0-9]{1,16}")


class PackedImage(NamedTuple):
    """An image file: its name in the tar, which starts with its key, and its bytes."""

    member: str
    content: bytes

    @property
    def key(self) -> str:
        """The image's key."""
        return self.member.split(".")[0]

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def packed_images(path: str | Path) -> Iterator[PackedImage]:
    """Yield the images of a tar in order.

    Raises
    ------
    ParleyError
        If the tar is missing, damaged, or not written by the rule `images`.
    """
    with _opened(path) as tar:
        for member in _members(tar):
            file = tar.extractfile(member)
            if file is None or not _MEMBER.fullmatch(member.name):
                raise ParleyError(
                    f"{path} contains {member.name!r}, which is not an image named by its key; "
                    "use a tar written by the rule `images`."
                )
            yield PackedImage(member.name, file.read())


def count_images(path: str | Path) -> int:
    """Count the images of a tar from its headers.

    Raises
    ------
    ParleyError
        If the tar is missing or damaged, or two members have the same key.
    """
    count, keys = 0, set()
    with _opened(path) as tar:
        for member in _members(tar):
            count += 1
            keys.add(member.name.split(".")[0])
    if len(keys) != count:
        raise ParleyError(f"{path} has {count - len(keys)} images with repeated keys; remove it and run again.")
    return count


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        yield member
        # tarfile would otherwise keep all headers in memory.
        tar.members.clear()  # type: ignore[attr-defined]


@contextmanager
def _opened(path: str | Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; run `snakemake --cores 1 images` first.") from error
    except tarfile.TarError as error:
        raise ParleyError(f"{path} is a truncated or damaged tar ({error}); remove it and run again.") from error
