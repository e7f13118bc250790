"""A part of the data as the game takes it: images, targets and keys of one HDF5 file."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.core.files import digest_of
from parley.features.rows import Rows
from parley.features.storage import open_features, read_features
from parley.game.rng import permutation
from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Images
from parley.text.descriptions import read_descriptions
from parley.text.word_vectors import description_matrix, description_tensor, read_words


class Maps(NamedTuple):
    """The feature maps of N images, as they are stored; what a batch needs of them becomes cells."""

    rows: Rows
    """``[N, C, h, w]``."""
    context: Tensor
    """``[N, Z]``: the logits."""
    mean: Tensor | None = None
    sd: Tensor | None = None
    """``[C]`` each: the scale on which cells are given, where they are not given as they are."""

    def take(self, rows: Tensor) -> Images:
        """Return the images of the given rows: cells ``[..., L, C]`` and context."""
        cells = self.rows.take(rows).flatten(-2).mT
        if self.mean is not None and self.sd is not None:
            cells = (cells - self.mean).div_(self.sd)
        return Images(cells.contiguous(), self.context[rows])


class Part(NamedTuple):
    """The N images of a part."""

    images: Images | Maps
    targets: Tensor
    """``[N]`` int64 label ids."""
    keys: list[str]


def random_subset(part: Part, most: int | None) -> Part:
    """Return a part of at most so many images, in their order: by the same lot for every run and seed."""
    if most is None or len(part.keys) <= most:
        return part
    rows = permutation(0, "recorded images", 0, len(part.keys))[:most].sort().values
    return Part(part.images.take(rows), part.targets[rows], [part.keys[row] for row in rows.tolist()])


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
        context; otherwise the pooled vector ``[N, C]``. Labels are permuted if `permute_labels` is set.
    """
    layer = layer_of(game)
    if game.visual_attention:
        maps, targets, keys = open_features(path, layer)
        if len(maps.shape) != 4:
            raise ParleyError(f"{path}: {layer} has no cells to attend to; set game.image_layer to a feature map.")
        images: Images | Maps = Maps(maps, _tensor(read_features(path, "logits").features))
        return Part(images, _targets(targets, keys, game), keys)
    vectors = read_features(path, layer)
    if vectors.features.ndim != 2:
        raise ParleyError(
            f"{path}: {layer} is a feature map, which only a Sender with visual attention can look at; "
            "set game.image_layer to a vector such as pooled or logits, or game.preset to one with Attention."
        )
    return Part(Images(_tensor(vectors.features)), _targets(vectors.targets, vectors.keys, game), vectors.keys)


def _targets(labels: np.ndarray, keys: Sequence[str], game: GameSettings) -> Tensor:
    """Return the label ids, permuted if the settings ask for it; the permutation is the same for every run and seed.

    Each split has its own permutation. With a shared one, splits of the same size and class order would be permuted
    alike, and what is learned on one would carry over to the other.
    """
    targets = torch.from_numpy(labels)
    if not game.permute_labels:
        return targets
    return targets[permutation(game.permute_labels, f"labels of {digest_of(keys)}", 0, len(targets))]


def layer_of(game: GameSettings) -> str:
    """Return what the Sender looks at: a layer's role, or a dataset's name."""
    if game.image_layer != "auto":
        return game.image_layer
    return "map" if game.visual_attention else "pooled"


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


def target_index_of(targets: Tensor, candidate_ids: Sequence[int], where: str) -> Tensor:
    """Return the place ``[N]`` of each target among the candidates.

    Raises
    ------
    ParleyError
        When a target is not a candidate, with `where` it was found.
    """
    ids = torch.tensor(list(candidate_ids), dtype=torch.int64)
    # Looked up, not compared one with all: of a large class set that would be a table of gigabytes.
    order = ids.argsort(stable=True)
    rising = ids[order]
    at = torch.searchsorted(rising, targets).clamp(max=len(ids) - 1)
    strays = targets[rising[at] != targets].unique().tolist()
    if strays:
        raise ParleyError(
            f"{where} holds images of label {', '.join(map(str, strays))}, which no candidate has; "
            "make it again together with the train part, or leave these classes out."
        )
    return order[at]


def require_descriptions(labels: Sequence[int], candidates: Candidates, where: str) -> None:
    """Raise `ParleyError` where images have a label that no description has."""
    strays = [label for label in labels if not 0 <= label < len(candidates.labels)]
    if strays:
        raise ParleyError(
            f"{where} holds images of label {', '.join(map(str, strays))}, but descriptions.csv describes the labels "
            f"0 to {len(candidates.labels) - 1}; describe these classes or leave their images out."
        )
