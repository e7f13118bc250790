"""A part of the data as the game takes it: images, targets and keys of one HDF5 file."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from parley.descriptions import read_descriptions
from parley.errors import ParleyError
from parley.features.storage import read_features
from parley.game.payloads import Descriptions, Images
from parley.game.settings import GameSettings
from parley.wordvectors import description_matrix, description_tensor, read_words


class Part(NamedTuple):
    """The N images of a part."""

    images: Images
    targets: Tensor
    """``[N]`` int64 label ids."""
    keys: list[str]


class Candidates(NamedTuple):
    """Every described class, by label id."""

    labels: list[str]
    descriptions: Descriptions


def load_part(path: str | Path, game: GameSettings) -> Part:
    """Load a part's images in the form that the game looks at.

    Parameters
    ----------
    path
        The part's HDF5 file.
    game
        With visual attention the feature map is loaded as cells ``[N, L, C]``, with the logits as
        context; otherwise the pooled vector ``[N, C]``.
    """
    if game.visual_attention:
        maps = read_features(path, "map")
        cells = maps.features.reshape(*maps.features.shape[:2], -1).transpose(0, 2, 1)
        images = Images(_tensor(cells), _tensor(read_features(path, "logits").features))
        rows = maps
    else:
        rows = read_features(path, "pooled")
        images = Images(_tensor(rows.features))
    return Part(images, torch.from_numpy(rows.targets.astype(np.int64)), list(rows.keys))


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def load_candidates(descriptions: str | Path, words: str | Path, game: GameSettings) -> Candidates:
    """Load every class's description as vectors.

    Parameters
    ----------
    descriptions
        ``descriptions.csv``.
    words
        ``words.hdf5``.
    game
        With description attention the words themselves are loaded too.
    """
    described = read_descriptions(descriptions)
    known = read_words(words)
    vectors = _tensor(description_matrix(described, known))
    if not game.description_attention:
        return Candidates([row.label for row in described], Descriptions(vectors))
    tensor, is_word = description_tensor(described, known)
    return Candidates(
        [row.label for row in described], Descriptions(vectors, _tensor(tensor), torch.from_numpy(is_word))
    )


def places_of(targets: Tensor, candidate_ids: Sequence[int], where: str) -> Tensor:
    """Return the place ``[N]`` of each target among the candidates.

    Raises
    ------
    ParleyError
        When a target is not a candidate, with `where` it was found.
    """
    ids = torch.tensor(list(candidate_ids), dtype=torch.int64)
    matches = targets[:, None] == ids[None]
    strays = targets[~matches.any(1)].unique().tolist()
    if strays:
        raise ParleyError(
            f"{where} holds images of label {', '.join(map(str, strays))}, which no candidate has; "
            "make it again together with the train part, or leave these classes out."
        )
    return matches.int().argmax(1)


def refuse_undescribed(labels: Sequence[int], candidates: Candidates, where: str) -> None:
    """Raise `ParleyError` where images have a label that no description has."""
    strays = [label for label in labels if not 0 <= label < len(candidates.labels)]
    if strays:
        raise ParleyError(
            f"{where} holds images of label {', '.join(map(str, strays))}, but descriptions.csv describes the labels "
            f"0 to {len(candidates.labels) - 1}; describe these classes or leave their images out."
        )
