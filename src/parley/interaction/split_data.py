"""Load a split's images and targets and the candidates' descriptions, and standardise them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, overload

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


class Scale(NamedTuple):
    """Mean and standard deviation of each channel, ``[C]``."""

    mean: Tensor
    sd: Tensor

    def apply(self, features: Tensor) -> Tensor:
        """Return ``(features − mean) / sd``, channels last."""
        return (features - self.mean) / self.sd


class Standardizer(NamedTuple):
    """The scales of an image's features and, with visual attention, of its context."""

    features: Scale
    context: Scale | None = None
    words: Scale | None = None
    """Of word vectors, ``[E]``; None where they stay as they are."""

    def read(self, descriptions: Descriptions) -> Descriptions:
        """Return the descriptions on the scale of those that were trained with."""
        if self.words is None:
            return descriptions
        words = descriptions.words
        if words is not None and descriptions.is_word is not None:
            words = torch.where(descriptions.is_word[..., None], self.words.apply(words), 0.0)
        return Descriptions(self.words.apply(descriptions.vectors), words, descriptions.is_word)

    @overload
    def apply(self, images: Images) -> Images: ...
    @overload
    def apply(self, images: Maps) -> Maps: ...
    @overload
    def apply(self, images: Images | Maps) -> Images | Maps: ...
    def apply(self, images: Images | Maps) -> Images | Maps:
        """Return the images on the train part's scale; of maps, each batch is put on it when it is taken."""
        context = images.context
        if context is not None and self.context is not None:
            context = self.context.apply(context)
        if isinstance(images, Maps):
            assert context is not None  # maps have one
            return images._replace(context=context, mean=self.features.mean, sd=self.features.sd)
        return Images(self.features.apply(images.features), context)


def fit_words(descriptions: Descriptions, mode: str) -> Scale | None:
    """Fit the scale of word vectors on the descriptions trained with: `candidates`, or none."""
    return _fit_scale(descriptions.vectors, "train") if mode == "candidates" else None


def fit(images: Images | Maps, mode: str) -> Standardizer:
    """Fit the scales on the train part.

    Parameters
    ----------
    images
        All images of the train part.
    mode
        ``train``: by mean and standard deviation; ``none``: leaves features as they are.
    """
    scale = _fit_maps(images.rows, mode) if isinstance(images, Maps) else _fit_scale(images.features, mode)
    return Standardizer(scale, None if images.context is None else _fit_scale(images.context, mode))


def _fit_scale(values: Tensor, mode: str) -> Scale:
    return _no_scale(values.shape[-1]) if mode == "none" else scale_of(values)


def scale_of(values: Tensor) -> Scale:
    """Return the mean and standard deviation of each channel, over all else of values ``[..., C]``."""
    rows = values.reshape(-1, values.shape[-1])
    return _scale(rows.mean(0), rows.std(0, correction=0))


def _fit_maps(rows: Rows, mode: str) -> Scale:
    """Fit the scale of maps ``[N, C, h, w]``, which need not fit into memory, in two passes."""
    channels = rows.shape[1]
    if mode == "none":
        return _no_scale(channels)
    count = rows.shape[0] * rows.shape[2] * rows.shape[3]
    total = torch.zeros(channels, dtype=torch.float64)
    for piece in rows.pieces():
        total += piece.sum((0, 2, 3), dtype=torch.float64)
    mean = total / count
    squares = torch.zeros(channels, dtype=torch.float64)
    for piece in rows.pieces():
        squares += (piece - mean[:, None, None]).square().sum((0, 2, 3))
    return _scale(mean.float(), (squares / count).sqrt().float())


def _no_scale(channels: int) -> Scale:
    return Scale(torch.zeros(channels), torch.ones(channels))


def _scale(mean: Tensor, sd: Tensor) -> Scale:
    # A channel that never varies says nothing; divided by 1 it becomes 0 instead of infinite.
    return Scale(mean, torch.where(sd > 0, sd, torch.ones_like(sd)))
