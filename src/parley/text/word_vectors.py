"""Split descriptions into words, read and write words.hdf5, and represent a description by the vectors of its words."""

import re
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path
from typing import NamedTuple
from unicodedata import category, normalize

import h5py
import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.core.files import remedy, written_aside
from parley.core.hdf5 import opened, stored, texts
from parley.core.text import text_lines
from parley.text.descriptions import Description

# A word is a run of letters and digits; hyphens and apostrophes join runs ("short-tailed", "o'clock"). NUL stands for a
# combining mark, such as a vowel sign, which belongs to the letter before it.
_RUN = r"[^\W_](?:[^\W_]|\0)*"
_WORD = re.compile(rf"{_RUN}(?:[-'’]{_RUN})*")
_NOT_IN_STOP_WORDS = re.compile(r"[,;|\"“”#<>()\[\]{}]")
_POSSESSIVE = re.compile(r"['’]s$")

# English function words, grouped by kind. They do not describe anything visible.
_FUNCTION_WORDS = """
a an the this that these those each every either neither both all any some no such same other another own

i me my mine myself we us our ours ourselves you your yours yourself yourselves
he him his himself she her hers herself it its itself they them their theirs themselves
who whom whose which what

of in on at by for with without from to into onto upon about above below over under between among
through during before after against across along around off out up down near within toward towards
as than per via

and or but nor so yet if because while until unless although though whether either then since
where when why how here there

am is are was were be been being have has had having do does did doing
can could will would shall should may might must

not only too very just more most less least much many few several also again once further
often usually sometimes especially
"""
STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
ORIGINAL_STOP_WORDS = Path(__file__).with_name("stop_words_original.txt")
"""NLTK's English stop words of 2017, which the original implementation (Evtimova et al., 2018) removed."""


def stop_words_of(source: str) -> frozenset[str]:
    """Return the stop words that `words.stop_words` names: ``parley``, ``original``, or the path of a list of words.

    Raises
    ------
    ParleyError
        If the list cannot be read or is empty, or has commas, quotes, brackets or comments.
    """
    if source == "parley":
        return STOP_WORDS
    path = ORIGINAL_STOP_WORDS if source == "original" else source
    words = set()
    for number, line in enumerate(text_lines(path), start=1):
        own = normalize("NFC", line.lower()).replace("’", "'").split()
        if wrong := [word for word in own if _NOT_IN_STOP_WORDS.search(word)]:
            raise ParleyError(
                f"{path}, line {number} has {wrong[0][:40]!r}; write one stop word per line, without punctuation or "
                "comments."
            )
        words.update(own)
    if not words:
        raise ParleyError(f"{path} has no word; words.stop_words needs a text file with one stop word per line.")
    return frozenset(words)


def description_words(text: str, stop_words: Set[str] = STOP_WORDS) -> list[str]:
    """Return the content words of a description.

    Each word is returned once, in lower case, in order of first occurrence. Punctuation and stop words are removed,
    as is a possessive ``'s``; hyphenated words are kept whole. Words are in Unicode's form NFC. (The original
    implementation (Evtimova et al., 2018) used a set, whose order changes between processes.)

    Examples
    --------
    >>> description_words("the cat's short-tailed cousin, a cat of the north")
    ['cat', 'short-tailed', 'cousin', 'north']
    """
    text = normalize("NFC", text.lower())
    letters = text if text.isascii() else "".join("\0" if category(one).startswith("M") else one for one in text)
    words = (_POSSESSIVE.sub("", text[slice(*match.span())]) for match in _WORD.finditer(letters))
    return list(dict.fromkeys(word for word in words if word.replace("’", "'") not in stop_words))


class Words(NamedTuple):
    """A vocabulary of V words, with their vectors of length E.

    Attributes
    ----------
    words
        The words, in order of first occurrence in the descriptions.
    vectors
        ``[V, E]`` float32; a row of zeros for a word without a vector.
    found
        ``[V]`` bool: True if the word has a vector, pretrained or random.
    stop_words
        The words that are not words of a description.
    """

    words: list[str]
    vectors: NDArray[np.float32]
    found: NDArray[np.bool_]
    stop_words: Set[str] = STOP_WORDS


def write_words(path: str | Path, words: Words, source: str, source_sha256: str) -> None:
    """Write words.hdf5: `word` (UTF-8 bytes) [V], `vector` float32 [V, E], `found` bool [V].

    Stop words other than Parley's own are written, too: `stop_word` (UTF-8 bytes).
    """
    with written_aside(path) as aside, h5py.File(aside, "w") as file:
        file["word"] = np.array([word.encode("utf-8") for word in words.words], dtype="S")
        file["vector"] = words.vectors
        file["found"] = words.found
        if words.stop_words != STOP_WORDS:
            file["stop_word"] = np.array([word.encode("utf-8") for word in sorted(words.stop_words)], dtype="S")
        file.attrs["source"] = source
        file.attrs["source_sha256"] = source_sha256


def read_words(path: str | Path) -> Words:
    """Read words.hdf5.

    Raises
    ------
    ParleyError
        If the file is missing, truncated, or another kind of HDF5 file.
    """
    with opened(path, "file of word vectors") as file:
        words, vectors, found = (stored(file, name, path) for name in ("word", "vector", "found"))
        stop_words = frozenset(texts(stored(file, "stop_word", path))) if "stop_word" in file else STOP_WORDS
        if problem := _problem(words, vectors, found):
            raise ParleyError(f"{path}: {problem}; {remedy(path)}.")
        return Words(texts(words), vectors[:].astype(np.float32), found[:].astype(bool), stop_words)


def _problem(words: h5py.Dataset, vectors: h5py.Dataset, found: h5py.Dataset) -> str:
    """Return the problem of the datasets of words.hdf5; empty if they are valid."""
    if not (words.ndim == found.ndim == 1 and vectors.ndim == 2 and len(words) == len(vectors) == len(found)):
        return "its datasets word, vector and found differ in length"
    if words.dtype.kind not in "SO":
        return f"word is {words.dtype}; it must be text"
    if vectors.dtype.kind != "f":
        return f"vector is {vectors.dtype}; it must be floats"
    if not np.isfinite(vectors[:].astype(np.float32)).all():
        return "vector contains numbers that are not finite"
    # Some programs that write HDF5 have no booleans.
    if found.dtype.kind not in "biu" or not np.isin(found[:], (0, 1)).all():
        return f"found is {found.dtype}; it must be boolean, or 0 and 1"
    repeated = [word for word, times in Counter(texts(words)).items() if times > 1]
    return f"the word {repeated[0]!r} is repeated" if repeated else ""


def description_matrix(descriptions: Sequence[Description], words: Words) -> NDArray[np.float32]:
    """Return the mean of the word vectors of each description, ``[D, E]``. Words without a vector are ignored."""
    rows = []
    for description, indices in zip(descriptions, _word_indices(descriptions, words), strict=True):
        found = [i for i in indices if words.found[i]]
        if not found:
            raise ParleyError(no_words_message(description, words.stop_words))
        rows.append(words.vectors[found].mean(0))
    return np.stack(rows).astype(np.float32)


def description_tensor(
    descriptions: Sequence[Description], words: Words
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the word vectors of each description, padded to the same number of words.

    Returns
    -------
    vectors
        ``[D, W, E]``, where W is the number of words of the longest description. A word without a vector is kept as
        zeros, and the Receiver's attention over words does not mask it.
    is_word
        ``[D, W]`` bool: True for words, False for padding.
    """
    indices = _word_indices(descriptions, words)
    longest = max(map(len, indices))
    vectors = np.zeros((len(indices), longest, words.vectors.shape[1]), np.float32)
    is_word = np.zeros((len(indices), longest), bool)
    for row, row_indices in enumerate(indices):
        vectors[row, : len(row_indices)] = words.vectors[row_indices]
        is_word[row, : len(row_indices)] = True
    return vectors, is_word


def _word_indices(descriptions: Sequence[Description], words: Words) -> list[list[int]]:
    index = {word: i for i, word in enumerate(words.words)}
    by_description = [description_words(description.text, words.stop_words) for description in descriptions]
    for description, own in zip(descriptions, by_description, strict=True):
        for word in own:
            if word not in index:
                raise ParleyError(
                    f"The word {word!r} of class {description.label!r} is not in words.hdf5, which belongs to other "
                    "descriptions; give both files of one experiment, or remove words.hdf5 and run again."
                )
    return [[index[word] for word in own] for own in by_description]


def no_words_message(description: Description, stop_words: Set[str]) -> str:
    """Return the error message for a description in which no word has a vector."""
    if not description_words(description.text, stop_words):
        return (
            f"The description of {description.label!r} ({description.text!r}) has no words except stop words, such as "
            "'of', so the Receiver has nothing to read; write another description in the file that it comes from."
        )
    return (
        f"No word of the description of {description.label!r} has a vector ({description.text!r}); "
        "write another description in the file that it comes from, or set `words.unknown: random`."
    )
