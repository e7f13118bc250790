"""A vector for every word of the descriptions: pretrained, or drawn by seed."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parley.core.addresses import is_web_url
from parley.core.errors import Findings, ParleyError
from parley.core.files import digest_of, sha256_of, write_table
from parley.text.descriptions import Description
from parley.text.glove import fetched, read_pretrained
from parley.text.tokenize import description_words
from parley.text.word_vectors import Words, wordless, write_words

logger = logging.getLogger(__name__)
RANDOM = "random"
UNKNOWN_RULES = ("zero", "random")


@dataclass(frozen=True, slots=True)
class VectorOptions:
    """Where word vectors come from.

    Attributes
    ----------
    source
        A file (plain, ``.gz`` or ``.zip``), an http or https URL of one, or ``random``.
    member
        Which file of a zip that holds several.
    checksum
        What a downloaded file must hash to: ``sha1:`` or ``sha256:`` and digits; not checked if empty.
    unknown
        What a word without a vector gets: ``zero`` (it is then left out of means) or ``random``.
    seed, sd, dimension
        Of random vectors: each number is drawn from N(0, sd²). A file has its own dimension.
    """

    source: str = RANDOM
    member: str = ""
    checksum: str = ""
    unknown: str = "zero"
    seed: int = 0
    sd: float = 0.4
    dimension: int = 100


def embed_words(
    descriptions: Sequence[Description],
    options: VectorOptions,
    words_path: str | Path,
    missing_path: str | Path,
    cache: str | Path,
) -> Words:
    """Give every word of the descriptions its vector, and write them.

    Parameters
    ----------
    descriptions
        All classes' descriptions.
    options
        Where vectors come from.
    words_path
        The HDF5 to write: `word` (UTF-8 bytes) [V], `vector` float32 [V, E], `found` bool [V].
    missing_path
        The table to write of words that the file lacks: `word`, `classes`, `vector` (what they got).
    cache
        The folder where a downloaded file stays.

    Raises
    ------
    ParleyError
        When the source cannot be read, or with every class whose description has no vector at all.
    """
    if options.unknown not in UNKNOWN_RULES:
        raise ParleyError(f"unknown is {options.unknown!r}; it must be one of {', '.join(UNKNOWN_RULES)}.")
    vocabulary = list(dict.fromkeys(word for row in descriptions for word in description_words(row.text)))
    known, dimension, source_sha256 = _known_vectors(vocabulary, options, cache)
    missing = [word for word in vocabulary if word not in known]
    if options.unknown == RANDOM:
        known |= {word: random_vector(word, dimension, options.seed, options.sd) for word in missing}
    words = _as_words(vocabulary, known, dimension)
    _refuse_wordless(descriptions, words)
    write_words(words_path, words, Path(options.source).name, source_sha256)
    _write_missing(missing_path, missing, descriptions, options.unknown)
    had = len(vocabulary) - len(missing)
    logger.info("%d of %d words have a vector in %s", had, len(vocabulary), options.source)
    return words


def random_vector(word: str, dimension: int, seed: int, sd: float) -> NDArray[np.float32]:
    """Draw a vector ``[dimension]`` of N(0, sd²) that depends on the seed and the word alone.

    The bits come from SHAKE-256 and become normal by Box and Muller (1958), so that no library's
    generator decides what an experiment's words are.
    """
    bits = hashlib.shake_256(f"{seed}/{word}".encode()).digest(16 * dimension)
    # 53 bits make a double in (0, 1]; zero is left out, for its logarithm.
    uniform = ((np.frombuffer(bits, "<u8") >> np.uint64(11)) + 1.0) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:dimension])), 2 * np.pi * uniform[dimension:]
    drawn: NDArray[np.float32] = (sd * radius * np.cos(angle)).astype(np.float32)
    return drawn


def _known_vectors(
    vocabulary: Sequence[str], options: VectorOptions, cache: str | Path
) -> tuple[dict[str, NDArray[np.float32]], int, str]:
    if options.source == RANDOM:
        seed, sd, dimension = options.seed, options.sd, options.dimension
        drawn = {word: random_vector(word, dimension, seed, sd) for word in vocabulary}
        # No bytes stand behind them: their settings are what they came from.
        return drawn, dimension, digest_of([seed, sd, dimension], 64)
    path = Path(options.source)
    if is_web_url(options.source):
        path = fetched(options.source, cache, options.checksum)
    read = read_pretrained(path, vocabulary, options.member)
    vectors = {word: np.array(numbers, np.float32) for word, numbers in read.vectors.items()}
    return vectors, read.dimension, sha256_of(path)


def _as_words(vocabulary: Sequence[str], known: dict[str, NDArray[np.float32]], dimension: int) -> Words:
    vectors = np.zeros((len(vocabulary), dimension), np.float32)
    for place, word in enumerate(vocabulary):
        if word in known:
            vectors[place] = known[word]
    return Words(list(vocabulary), vectors, np.array([word in known for word in vocabulary], bool))


def _refuse_wordless(descriptions: Sequence[Description], words: Words) -> None:
    known = {word for word, found in zip(words.words, words.found, strict=True) if found}
    findings = Findings()
    for description in descriptions:
        if known.isdisjoint(description_words(description.text)):
            findings.add(wordless(description))
    findings.raise_if_any()


def _write_missing(path: str | Path, missing: Sequence[str], descriptions: Sequence[Description], unknown: str) -> None:
    users: dict[str, list[str]] = {word: [] for word in missing}
    for description in descriptions:
        for word in description_words(description.text):
            if word in users:
                users[word].append(description.label)
    rows = ((word, ", ".join(users[word]), unknown) for word in missing)
    write_table(path, ["word", "classes", "vector"], rows)
