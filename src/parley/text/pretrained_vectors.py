"""Read pretrained word vectors as text: GloVe, fastText (.vec) or word2vec. A line has a word and its numbers."""

import bz2
import codecs
import gzip
import hashlib
import io
import logging
import lzma
import math
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from unicodedata import normalize
from urllib.parse import urlsplit

from parley.core.checksums import check_checksum
from parley.core.errors import ParleyError
from parley.core.files import COMPRESSED, EMPTY, ZIP, is_web_url, mistaken_content
from parley.core.text import UTF16_MARKS, check_kind
from parley.dataset.downloads import download
from parley.dataset.image_signatures import is_hidden

logger = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 20
_LINES_TO_FIND_WIDTH = 100
_LONGEST_LINE_BYTES = 1 << 20
_LARGEST = 3.4028234e38
"""Largest number that float32 can hold."""
_MOST_BYTES = 50_000_000_000
_COMPRESSED: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
_FASTTEXT_MAGIC = (793712314).to_bytes(4, "little")
# Numbers of words and of values.
_HEADER = re.compile(rb"(\d{1,15})\s+(\d{1,15})\s*")
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1b]")
"""Control characters, except for those of lines. Text rarely has one; one in nine bytes of binary numbers is one."""


class PretrainedVectors(NamedTuple):
    """Vectors of the requested words, their length, and how many lines the file has and how many are malformed.

    A first line with the numbers of words and values, as fastText and word2vec write, is not counted.
    """

    vectors: dict[str, list[float]]
    dimension: int
    lines: int
    malformed_lines: int
    repeated_lines: int
    """Number of further lines for words that have a vector."""


def read_pretrained(path: str | Path, words: Collection[str], member: str = "") -> PretrainedVectors:
    """Read the vectors of the given words, and skip all other lines.

    Parameters
    ----------
    path
        File of vectors: text with fields separated by white space, plain or compressed as gzip, bzip2 or xz, or a zip
        with such text.
    words
        Words to look for, in Unicode's form NFC.
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
    _check_kind(path)
    try:
        with _opened(Path(path), member) as stream:
            found = _scan(stream, frozenset(words), path)
    except FileNotFoundError as error:
        raise ParleyError(f"The word vectors {path} do not exist; check the path, or use `random` vectors.") from error
    # zipfile raises RuntimeError if a password is needed, and its subclass NotImplementedError for unsupported methods.
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise ParleyError(f"The word vectors {path} cannot be read ({error}); get the file again.") from error
    if found.lines == found.malformed_lines:
        raise ParleyError(
            f"{path} is not a file of word vectors: each line must be a word and its numbers, separated by white space."
        )
    if found.malformed_lines:
        logger.warning("%s: %d of %d lines are malformed and skipped", path, found.malformed_lines, found.lines)
    if found.repeated_lines:
        logger.warning("%s: %d lines repeat words; the first vector of each is used", path, found.repeated_lines)
    return found


def check_vectors(source: str) -> list[str]:
    """Return a list of at most one error message: the source is a missing file, or a file of another kind."""
    if source == "random" or is_web_url(source):
        return []
    if not Path(source).exists():
        return [f"The word vectors {source} do not exist; check the path, name a URL, or use `random` vectors."]
    try:
        _check_kind(source)
    except ParleyError as error:
        return error.findings
    return []


def _check_kind(path: str | Path) -> None:
    check_kind(path, "a file of word vectors", accepted=(COMPRESSED, ZIP))


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
    """Open a text file that is plain, compressed or in a zip file. Its first bytes, not its name, determine which."""
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(0)
        opener = next((opener for magic, opener in _COMPRESSED.items() if start.startswith(magic)), None)
        if opener is not None:
            with opener(file) as unpacked:
                yield io.BufferedReader(unpacked, _CHUNK_BYTES)
        elif start.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(file) as archive, archive.open(_member_of(archive, path, member)) as stream:
                yield io.BufferedReader(stream, _CHUNK_BYTES)  # type: ignore[type-var]
        else:
            yield file


def _member_of(archive: zipfile.ZipFile, path: Path, member: str) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and not is_hidden(name)]
    # fastText's zips contain the vectors both as text and in a binary model.
    wanted = [name for name in names if name == member] if member else [one for one in names if _is_text(one, names)]
    if len(wanted) != 1:
        raise ParleyError(f"{path} contains the files {', '.join(names)}; set `member` to the file to read.")
    return wanted[0]


def _is_text(name: str, names: Collection[str]) -> bool:
    """Return False for fastText's binary model if its vectors are also in the zip as text."""
    return not (name.endswith(".bin") and f"{name.removesuffix('.bin')}.vec" in names)


def _scan(stream: BinaryIO, words: frozenset[str], path: str | Path) -> PretrainedVectors:
    """Read the vectors of `words`. The dimension is the most common number of values in the first 100 lines."""
    every = _lines(stream)
    first = list(islice(every, _LINES_TO_FIND_WIDTH))
    _refuse_other(b"".join(first), path)
    header = _HEADER.fullmatch(first[0]) if first else None
    if header and len(first) == 1:
        raise ParleyError(
            f"{path} has only a header ({first[0].decode().strip()}), and no vectors; get the file again."
        )
    widths = Counter(len(line.split()) - 1 for line in first)
    dimension = max(widths.most_common(1)[0][0], 0) if widths else 0
    if header and int(header[2]) == dimension > 1:
        del first[0]
    else:
        header = None
    if not any(map(_has_numbers, first)):
        dimension = 0  # All lines are malformed.
    vectors: dict[str, list[float]] = {}
    lines = malformed = repeated = 0
    for line in chain(first, every):
        lines += 1
        word, _, numbers = line.rstrip().partition(b" ")
        if numbers.count(b" ") != dimension - 1 or b"\t" in line:
            word, *rest = line.rsplit(None, dimension) or [b""]
            numbers = b" ".join(rest)
        try:
            key = normalize("NFC", word.decode("utf-8"))
            is_malformed = not dimension or numbers.count(b" ") != dimension - 1
            repeated += not is_malformed and key in vectors
            if not is_malformed and key in words and key not in vectors:
                vector = [float(number) for number in numbers.split(b" ")]
                is_malformed = not all(-_LARGEST <= number <= _LARGEST for number in vector)
                if not is_malformed:
                    vectors[key] = vector
        except ValueError:  # The word is not UTF-8, or a value is not a number.
            is_malformed = True
        malformed += is_malformed
    if header and int(header[1]) != lines:
        logger.warning("%s: the first line announces %d words, but %d follow", path, int(header[1]), lines)
    return PretrainedVectors(vectors, dimension, lines, malformed, repeated)


def _has_numbers(line: bytes) -> bool:
    """Return whether a line ends with a number, after another field."""
    try:
        return len(line.split()) > 1 and math.isfinite(float(line.split()[-1]))
    except ValueError:
        return False


def _refuse_other(start: bytes, path: str | Path) -> None:
    """Raise `ParleyError` if unpacked content with this start is binary, UTF-16, or from classic Mac OS."""
    kind, fix = mistaken_content(start)
    if kind not in ("", EMPTY):
        raise ParleyError(f"{path} contains {kind}, not word vectors; {fix or 'get the file again'}.")
    if start.startswith(UTF16_MARKS):
        raise ParleyError(f"{path} is UTF-16 text; save the word vectors as UTF-8.")
    if start.startswith(_FASTTEXT_MAGIC):
        raise ParleyError(
            f"{path} is fastText's binary file of a model; download the text file of its vectors instead, such as "
            "cc.en.300.vec.gz for cc.en.300.bin."
        )
    if _HEADER.match(start) and _BINARY.search(start) and not any(map(_has_numbers, start.split(b"\n")[1:])):
        raise ParleyError(
            f"{path} is word2vec's binary file; download the vectors as text, or convert them: "
            "`gensim.models.KeyedVectors.load_word2vec_format(path, binary=True).save_word2vec_format('vectors.txt')`."
        )
    if b"\0" in start:
        raise ParleyError(f"{path} is a binary file; download the vectors as text, such as fastText's .vec.")
    if b"\r" in start.rstrip() and b"\n" not in start:
        raise ParleyError(f"{path} has the line ends of classic Mac OS; save it with those of Unix or Windows.")


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines; raise an error for an overlong line, because a file without line breaks may not fit in memory."""
    stream.seek(len(codecs.BOM_UTF8) if stream.read(3) == codecs.BOM_UTF8 else 0)
    while line := stream.readline(_LONGEST_LINE_BYTES + 1):
        if len(line) > _LONGEST_LINE_BYTES:
            raise ValueError(f"a line is longer than {_LONGEST_LINE_BYTES} bytes")
        yield line
