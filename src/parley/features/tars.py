"""The images of a class as they lie in its tar, one after another; memory does not grow with them."""

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
    """An image file: its name in the tar, which begins with its key, and its bytes."""

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
    """Yield the images of a tar in its order.

    Raises
    ------
    ParleyError
        When the tar is missing, damaged, or not one that `images` has made.
    """
    with _opened(path) as tar:
        for member in _members(tar):
            file = tar.extractfile(member)
            if file is None or not _MEMBER.fullmatch(member.name):
                raise ParleyError(
                    f"{path} holds {member.name!r}, which is no image named by its key; "
                    "give a tar that `images` has made."
                )
            yield PackedImage(member.name, file.read())


def count_images(path: str | Path) -> int:
    """Return how many images a tar holds, from its headers.

    Raises
    ------
    ParleyError
        When the tar is missing or damaged, or two of its members have one key.
    """
    count, keys = 0, set()
    with _opened(path) as tar:
        for member in _members(tar):
            count += 1
            keys.add(member.name.split(".")[0])
    if len(keys) != count:
        raise ParleyError(f"{path} holds {count - len(keys)} images whose key another has; remove it and run again.")
    return count


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        yield member
        # They would otherwise be kept, and nothing here goes back.
        tar.members.clear()  # type: ignore[attr-defined]


@contextmanager
def _opened(path: str | Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; run `snakemake images` first.") from error
    except tarfile.TarError as error:
        raise ParleyError(f"{path} is a truncated or damaged tar ({error}); remove it and run again.") from error
