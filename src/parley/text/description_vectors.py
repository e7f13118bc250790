"""Vectors of descriptions, from the words' vectors or from an encoder: both are in words.hdf5.

With an encoder, words.hdf5 contains the vector of each description and, if the encoder has them, those of its tokens.
Descriptions are found by their text.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from parley.core.errors import ParleyError
from parley.core.files import remedy, written_aside
from parley.core.hdf5 import opened, stored, texts
from parley.text.descriptions import Description
from parley.text.word_vectors import description_matrix, description_tensor, description_words, read_words

_WHAT = "file of word vectors"
_TOKEN_DATASETS = ("token", "token_vector", "is_token")


class Encoding(NamedTuple):
    """What an encoder makes of one description of W tokens."""

    vector: NDArray[np.float32]
    """``[E]``"""
    tokens: list[str]
    token_vectors: NDArray[np.float32] | None
    """``[W, F]``; None if the encoder has no vectors of tokens."""


class DescriptionVectors(NamedTuple):
    """The vectors of D descriptions of at most W words or tokens."""

    vectors: NDArray[np.float32]
    """``[D, E]``"""
    tokens: NDArray[np.float32] | None = None
    """``[D, W, E]``: the vectors of words or tokens, padded with zeros; None if they were not asked for."""
    is_token: NDArray[np.bool_] | None = None
    """``[D, W]``: True for words or tokens, False for padding."""


def write_encodings(
    path: str | Path, descriptions: Sequence[str], encodings: Sequence[Encoding], source: str, source_sha256: str
) -> None:
    """Write words.hdf5 with the encodings of different texts.

    It contains `description` (UTF-8 bytes) [D] and `vector` float32 [D, E]. If the encoder has vectors of tokens, it
    also contains `token` (UTF-8 bytes) [D, W], `token_vector` float32 [D, W, F] and `is_token` bool [D, W].
    """
    with written_aside(path) as aside, h5py.File(aside, "w") as file:
        file["description"] = np.array([text.encode("utf-8") for text in descriptions], dtype="S")
        file["vector"] = np.stack([one.vector for one in encodings])
        file.attrs["source"], file.attrs["source_sha256"] = source, source_sha256
        vectors = [one.token_vectors for one in encodings if one.token_vectors is not None]
        if not vectors:
            return
        shape = (len(vectors), max(map(len, vectors)), vectors[0].shape[1])
        lengths = np.array([len(one) for one in vectors])
        file["is_token"] = np.arange(shape[1]) < lengths[:, None]
        padded = [[token.encode("utf-8") for token in one.tokens] + [b""] * shape[1] for one in encodings]
        file["token"] = np.array([row[: shape[1]] for row in padded], dtype="S")
        # The padding of short descriptions takes almost no space if it is compressed.
        table = file.create_dataset("token_vector", shape, np.float32, chunks=(1, *shape[1:]), compression="gzip")
        for row, own in enumerate(vectors):
            table[row] = np.pad(own, ((0, shape[1] - len(own)), (0, 0)))


def read_description_vectors(
    path: str | Path, descriptions: Sequence[Description], attention: bool = False
) -> DescriptionVectors:
    """Return the vectors of descriptions and, with `attention`, those of their words or tokens.

    Without an encoder, the vector of a description is the mean of its words' vectors. With an encoder, it is the
    encoder's; but with `attention` it is the mean of the tokens' vectors, which may have another length and scale.

    Parameters
    ----------
    path
        Path of words.hdf5.
    descriptions
        The descriptions. The file may contain others, too.
    attention
        Whether the Receiver attends to words or tokens.

    Raises
    ------
    ParleyError
        If the file is missing or damaged, lacks one of the descriptions, or has no vectors of tokens.
    """
    if not _is_encoded(path):
        words = read_words(path)
        vectors = description_matrix(descriptions, words)
        return DescriptionVectors(vectors, *(description_tensor(descriptions, words) if attention else ()))
    with opened(path, _WHAT) as file:
        rows = _rows(file, path, descriptions)
        if not attention:
            return DescriptionVectors(_finite(file, "vector", path, rows))
        if "token_vector" not in file:
            raise ParleyError(
                f"{path}: the encoder {file.attrs.get('source', '')} has no vectors of tokens, to which the Receiver "
                "could attend; set game.description_attention to false, or choose another descriptions.encoder, such "
                "as sentence-transformers/all-MiniLM-L6-v2."
            )
        is_token = stored(file, "is_token", path)[:].astype(bool)[rows]
        if not is_token.any(1).all():
            raise ParleyError(f"{path}: is_token contains a description without tokens; {remedy(path)}.")
        width = int(is_token.sum(1).max())
        is_token, tokens = is_token[:, :width], _finite(file, "token_vector", path, rows)[:, :width]
        means = tokens.sum(1, dtype=np.float64) / is_token.sum(1)[:, None]
        return DescriptionVectors(means.astype(np.float32), tokens, is_token)


def read_tokens(path: str | Path, descriptions: Sequence[Description]) -> list[list[str]]:
    """Return the words or tokens of each description to which the Receiver attends, in order."""
    if not _is_encoded(path):
        stop_words = read_words(path).stop_words
        return [description_words(one.text, stop_words) for one in descriptions]
    with opened(path, _WHAT) as file:
        rows = _rows(file, path, descriptions)
        tokens, is_token = (stored(file, name, path)[:][rows] for name in ("token", "is_token"))
        return [[one.decode("utf-8") for one in own[kept]] for own, kept in zip(tokens, is_token, strict=True)]


def _is_encoded(path: str | Path) -> bool:
    with opened(path, _WHAT) as file:
        return "description" in file


def _rows(file: h5py.File, path: str | Path, descriptions: Sequence[Description]) -> list[int]:
    """Return the row of each description, after checking the shapes of the datasets."""
    known = texts(stored(file, "description", path))
    names = [name for name in ("vector", *_TOKEN_DATASETS) if name in file]
    shapes = {name: stored(file, name, path).shape for name in names}
    is_complete = "vector" in shapes and (len(names) == 1 or set(_TOKEN_DATASETS) <= set(names))
    axes = {"vector": 2, "token": 2, "token_vector": 3, "is_token": 2}  # nosec B105
    if not is_complete or any(len(shape) != axes[name] or shape[0] != len(known) for name, shape in shapes.items()):
        raise ParleyError(f"{path}: its datasets do not fit each other; {remedy(path)}.")
    if len({shapes[name][:2] for name in _TOKEN_DATASETS if name in shapes}) > 1:
        raise ParleyError(f"{path}: its datasets token, token_vector and is_token differ in length; {remedy(path)}.")
    row_of = {text: row for row, text in enumerate(known)}
    for one in descriptions:
        if one.text not in row_of:
            raise ParleyError(
                f"The description of class {one.label!r} is not in {path}, which belongs to other descriptions; give "
                "both files of one experiment, or remove words.hdf5 and run again."
            )
    return [row_of[one.text] for one in descriptions]


def _finite(file: h5py.File, name: str, path: str | Path, rows: Sequence[int]) -> NDArray[np.float32]:
    values: NDArray[np.float32] = stored(file, name, path)[:][list(rows)].astype(np.float32)
    if not np.isfinite(values).all():
        raise ParleyError(f"{path}: {name} contains numbers that are not finite; {remedy(path)}.")
    return values
