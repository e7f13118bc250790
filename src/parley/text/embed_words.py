"""Look up pretrained vectors for the words of the descriptions, or draw random vectors from a seed."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parley.core.errors import Findings, ParleyError
from parley.core.files import digest_of, is_web_url, sha256_of
from parley.core.tables import write_table
from parley.text.descriptions import Description
from parley.text.pretrained_vectors import fetched, read_pretrained
from parley.text.word_vectors import Words, description_words, no_words_message, stop_words_of, write_words

logger = logging.getLogger(__name__)
RANDOM = "random"
UNKNOWN_RULES = ("zero", "random")


@dataclass(frozen=True, slots=True)
class VectorOptions:
    """Source of the word vectors.

    Attributes
    ----------
    source
        Path or URL (http or https) of a file, plain, ``.gz`` or ``.zip``; or ``random`` for random vectors.
    member
        For a zip file that contains several files, the name of the file to read.
    checksum
        Expected hash of a downloaded file: ``sha1:`` or ``sha256:`` and the digits. If empty, no hash is checked.
    unknown
        Vector of a word that is not in the source: ``zero`` (the word is excluded from means) or ``random``.
    seed, sd, dimension
        Seed, standard deviation and length of random vectors, whose values are drawn from N(0, sd²). If the source is
        a file, random vectors have the length of its vectors instead.
    stop_words
        Words that are not words of a description: ``parley``, ``original``, or the path of a list (see
        `stop_words_of`).
    """

    source: str = RANDOM
    member: str = ""
    checksum: str = ""
    unknown: str = "zero"
    seed: int = 0
    sd: float = 0.4
    dimension: int = 100
    stop_words: str = "parley"


def embed_words(
    descriptions: Sequence[Description],
    options: VectorOptions,
    words_path: str | Path,
    missing_path: str | Path,
    cache: str | Path,
    allow_private_hosts: bool = False,
) -> Words:
    """Look up or draw a vector for every word of the descriptions, and write the vectors to a file.

    Parameters
    ----------
    descriptions
        Descriptions of all classes.
    options
        Source of the vectors.
    words_path
        HDF5 file to write: `word` (UTF-8 bytes) [V], `vector` float32 [V, E], `found` bool [V] (see
        `write_words`).
    missing_path
        TSV to write, with `word`, `classes` and `vector` (``zero`` or ``random``) of each word that the source lacks.
    cache
        Folder for downloaded files.
    allow_private_hosts
        Whether a file may be downloaded from an address that is not public.

    Raises
    ------
    ParleyError
        If the source cannot be read, or no word of a description has a vector. The error lists all such descriptions.
    """
    if options.unknown not in UNKNOWN_RULES:
        raise ParleyError(f"`words.unknown` is {options.unknown!r}; it must be one of {', '.join(UNKNOWN_RULES)}.")
    stop_words = stop_words_of(options.stop_words)
    words_of = [description_words(row.text, stop_words) for row in descriptions]
    vocabulary = list(dict.fromkeys(word for own in words_of for word in own))
    known, dimension, source_sha256 = _known_vectors(vocabulary, options, cache, allow_private_hosts)
    missing = [word for word in vocabulary if word not in known]
    if vocabulary and len(missing) == len(vocabulary):
        raise ParleyError(
            f"None of the {len(vocabulary)} words of the descriptions has a vector in {options.source}; check that it "
            "is for the descriptions' language and has words in lower case, or set `words.source: random`."
        )
    if options.unknown == RANDOM:
        known |= {word: random_vector(word, dimension, options.seed, options.sd) for word in missing}
    findings = Findings()
    for row, own in zip(descriptions, words_of, strict=True):
        if known.keys().isdisjoint(own):
            findings.add(no_words_message(row, stop_words))
    findings.raise_if_any()
    vectors = np.zeros((len(vocabulary), dimension), np.float32)
    for index, word in enumerate(vocabulary):
        vectors[index] = known.get(word, 0)
    words = Words(vocabulary, vectors, np.array([word in known for word in vocabulary], bool), stop_words)
    write_words(words_path, words, Path(options.source).name, source_sha256)
    users: dict[str, list[str]] = {word: [] for word in missing}
    for row, own in zip(descriptions, words_of, strict=True):
        for word in users.keys() & own:
            users[word].append(row.label)
    rows = ((word, ", ".join(labels), options.unknown) for word, labels in users.items())
    write_table(missing_path, ["word", "classes", "vector"], rows)
    if options.source == RANDOM:
        logger.info("Random vectors for %d words", len(vocabulary))
    else:
        found = len(vocabulary) - len(missing)
        logger.info("%d of %d words have a vector in %s", found, len(vocabulary), options.source)
    return words


def log_indistinguishable(descriptions: Sequence[Description], words: Words) -> None:
    """Log a warning for classes whose descriptions have the same words, except for words without a vector."""
    known = {word for word, found in zip(words.words, words.found, strict=True) if found}
    labels: dict[frozenset[str], list[str]] = {}
    for row in descriptions:
        own = frozenset(known.intersection(description_words(row.text, words.stop_words)))
        labels.setdefault(own, []).append(row.label)
    for own, names in labels.items():
        if len(names) > 1:
            text = "The classes %s are indistinguishable: their descriptions have the same words with vectors (%s)"
            logger.warning(text, ", ".join(names), ", ".join(sorted(own)))


def random_vector(word: str, dimension: int, seed: int, sd: float) -> NDArray[np.float32]:
    """Draw a vector ``[dimension]`` with values from N(0, sd²), which depend only on the seed and the word.

    SHAKE-256 bits are converted to normally distributed numbers by the Box-Muller transform (1958), so that the vectors
    do not depend on a library's random number generator.
    """
    bits = hashlib.shake_256(f"{seed}/{word}".encode()).digest(16 * dimension)
    # 53 random bits give a double in (0, 1]. Zero is excluded because its logarithm is infinite.
    uniform = ((np.frombuffer(bits, "<u8") >> np.uint64(11)) + 1.0) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:dimension])), 2 * np.pi * uniform[dimension:]
    drawn: NDArray[np.float32] = (sd * radius * np.cos(angle)).astype(np.float32)
    return drawn


def _known_vectors(
    vocabulary: Sequence[str], options: VectorOptions, cache: str | Path, allow_private_hosts: bool
) -> tuple[dict[str, NDArray[np.float32]], int, str]:
    """Return the vectors of the words that are in the source, the vectors' length, and the SHA-256 of the source."""
    if options.source == RANDOM:
        seed, sd, dimension = options.seed, options.sd, options.dimension
        drawn = {word: random_vector(word, dimension, seed, sd) for word in vocabulary}
        # There is no source file, so the settings are hashed instead.
        return drawn, dimension, digest_of([seed, sd, dimension], 64)
    path = Path(options.source)
    if is_web_url(options.source):
        path = fetched(options.source, cache, options.checksum, allow_private_hosts)
    read = read_pretrained(path, vocabulary, options.member)
    vectors = {word: np.array(numbers, np.float32) for word, numbers in read.vectors.items()}
    return vectors, read.dimension, sha256_of(path)
