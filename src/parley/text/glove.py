"""Read pretrained word vectors in GloVe's text format: each line contains a word and its numbers."""

import gzip
import hashlib
import io
import logging
import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

from parley.core.checksums import check_checksum
from parley.core.errors import ParleyError
from parley.core.files import is_web_url
from parley.dataset.downloads import download

logger = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 20
_LINES_TO_FIND_WIDTH = 100
_LONGEST_LINE_BYTES = 1 << 20
_MOST_BYTES = 50_000_000_000


class PretrainedVectors(NamedTuple):
    """Vectors of the requested words, their length, and how many lines the file has and how many are malformed."""

    vectors: dict[str, list[float]]
    dimension: int
    lines: int
    malformed_lines: int


def read_pretrained(path: str | Path, words: Collection[str], member: str = "") -> PretrainedVectors:
    """Read the vectors of the given words, and skip all other lines.

    Parameters
    ----------
    path
        File of vectors: plain text, ``.gz``, or ``.zip`` with text files.
    words
        Words to look for.
    member
        For a zip file that contains several files, the name of the file to read.

    Returns
    -------
    PretrainedVectors
        Vectors of the words found; for a repeated word, its first vector. A line is malformed if it does not have
        `dimension` values, its word is not UTF-8, or a value of one of the given words is not a finite number.

    Raises
    ------
    ParleyError
        If the file is missing, truncated, or not a file of word vectors.
    """
    try:
        with _opened(Path(path), member) as stream:
            found = _scan(stream, frozenset(words))
    except FileNotFoundError as error:
        raise ParleyError(f"The word vectors {path} do not exist; check the path, or use `random` vectors.") from error
    # zipfile raises RuntimeError if a password is needed, and its subclass NotImplementedError for unsupported methods.
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise ParleyError(f"The word vectors {path} cannot be read ({error}); get the file again.") from error
    if not found.dimension:
        raise ParleyError(
            f"{path} is not a file of word vectors: each line must be a word and its numbers, separated by spaces."
        )
    if found.malformed_lines:
        logger.warning("%s: %d of %d lines are malformed and skipped", path, found.malformed_lines, found.lines)
    return found


def check_vectors(source: str) -> list[str]:
    """Return an error message in a list if the source is a file that does not exist, otherwise an empty list."""
    if source == "random" or is_web_url(source) or Path(source).is_file():
        return []
    return [f"The word vectors {source} do not exist; check the path, name a URL, or use `random` vectors."]


def fetched(url: str, folder: str | Path, checksum: str | None = None, allow_private_hosts: bool = False) -> Path:
    """Return the path of a local copy of a URL, which is downloaded only once.

    Parameters
    ----------
    url
        An http or https address.
    folder
        Folder of the downloaded files, shared between experiments.
    checksum
        Expected checksum of the file, as for `parley.dataset.downloads.download`.
    allow_private_hosts
        Whether the server may be at an address that is not public.
    """
    path = copy_of(url, folder)
    if path.exists():
        check_checksum(path, checksum)
    else:
        download([url], path, checksum, most_bytes=_MOST_BYTES, allow_private_hosts=allow_private_hosts)
    return path


def copy_of(url: str, folder: str | Path) -> Path:
    """Return the path of the local copy of a URL in the folder of downloaded files, whether or not it exists."""
    name = Path(urlsplit(url).path).name or "vectors"
    return Path(folder) / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"


@contextmanager
def _opened(path: Path, member: str) -> Iterator[BinaryIO]:
    """Open a text file that is plain, gzipped or in a zip file. Its first bytes, not its name, determine which."""
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start[:2] == b"\x1f\x8b":
            with gzip.open(file) as unpacked:
                yield io.BufferedReader(unpacked, _CHUNK_BYTES)
        elif start == b"PK\x03\x04":
            with zipfile.ZipFile(file) as archive, archive.open(_member_of(archive, path, member)) as stream:
                yield io.BufferedReader(stream, _CHUNK_BYTES)  # type: ignore[type-var]
        else:
            yield file


def _member_of(archive: zipfile.ZipFile, path: Path, member: str) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/")]
    wanted = [name for name in names if name == member] if member else names
    if len(wanted) != 1:
        raise ParleyError(f"{path} contains the files {', '.join(names)}; set `member` to the file to read.")
    return wanted[0]


def _scan(stream: BinaryIO, words: frozenset[str]) -> PretrainedVectors:
    """Read the vectors of `words`. The dimension is the most common number of values in the first 100 lines."""
    every = _lines(stream)
    first = list(islice(every, _LINES_TO_FIND_WIDTH))
    widths = Counter(len(line.split()) - 1 for line in first)
    dimension = max(widths.most_common(1)[0][0], 0) if widths else 0
    vectors: dict[str, list[float]] = {}
    lines = malformed = 0
    for line in chain(first, every):
        lines += 1
        raw_word, _, numbers = line.rstrip(b"\r\n ").partition(b" ")
        try:
            word = raw_word.decode("utf-8")
            is_malformed = numbers.count(b" ") != dimension - 1
            if not is_malformed and word in words and word not in vectors:
                vector = [float(number) for number in numbers.split(b" ")]
                is_malformed = not all(map(math.isfinite, vector))
                if not is_malformed:
                    vectors[word] = vector
        except ValueError:  # The word is not UTF-8, or a value is not a number.
            is_malformed = True
        malformed += is_malformed
    return PretrainedVectors(vectors, dimension, lines, malformed)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines; raise an error for an overlong line, because a file without line breaks may not fit in memory."""
    while line := stream.readline(_LONGEST_LINE_BYTES + 1):
        if len(line) > _LONGEST_LINE_BYTES:
            raise ValueError(f"a line is longer than {_LONGEST_LINE_BYTES} bytes")
        yield line
