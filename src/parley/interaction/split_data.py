"""Load a split's images and targets and the candidates' descriptions, and standardise them."""

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
    """The feature maps of N images in their stored dtype, in memory or on disk; `take` converts them to cells."""

    rows: Rows
    """``[N, C, h, w]``."""
    context: Tensor
    """``[N, Z]``: the logits."""
    mean: Tensor | None = None
    sd: Tensor | None = None
    """``[C]`` each: the scale that `take` applies; None for none."""

    def take(self, rows: Tensor) -> Images:
        """Return the images of the given rows: cells ``[..., L, C]`` with L = h · w, and context."""
        cells = self.rows.take(rows).flatten(-2).mT
        if self.mean is not None and self.sd is not None:
            cells = (cells - self.mean).div_(self.sd)
        return Images(cells.contiguous(), self.context[rows])


class Part(NamedTuple):
    """The N images of a split."""

    images: Images | Maps
    targets: Tensor
    """``[N]`` int64 label ids."""
    keys: list[str]


def random_subset(part: Part, most: int | None) -> Part:
    """Return at most `most` images of a split, chosen at random and in their order; the same for every run and seed."""
    if most is None or len(part.keys) <= most:
        return part
    rows = permutation(0, "recorded images", 0, len(part.keys))[:most].sort().values
    return Part(part.images.take(rows), part.targets[rows], [part.keys[row] for row in rows.tolist()])


class Candidates(NamedTuple):
    """All described classes, in the order of their label ids."""

    labels: list[str]
    descriptions: Descriptions


def load_part(path: str | Path, game: GameSettings) -> Part:
    """Load the layer of a split's features that the Sender gets.

    Parameters
    ----------
    path
        The split's HDF5 file.
    game
        Settings. With visual attention the layer is a feature map, with the logits as context; otherwise it is a
        vector ``[N, C]``. Labels are permuted if `permute_labels` is set.
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
    """Return the layer of features that the Sender gets: a role such as ``pooled``, or a dataset's name."""
    if game.image_layer != "auto":
        return game.image_layer
    return "map" if game.visual_attention else "pooled"


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def load_candidates(descriptions: str | Path, words: str | Path, game: GameSettings) -> Candidates:
    """Load the descriptions of all classes as vectors.

    Parameters
    ----------
    descriptions, words
        Paths of ``descriptions.csv`` and ``words.hdf5``.
    game
        Settings. With description attention, the vectors of the single words are loaded too.
    """
    described, vectors_of_words = read_descriptions(descriptions), read_words(words)
    labels = [row.label for row in described]
    vectors = _tensor(description_matrix(described, vectors_of_words))
    if not game.description_attention:
        return Candidates(labels, Descriptions(vectors))
    tensor, is_word = description_tensor(described, vectors_of_words)
    return Candidates(labels, Descriptions(vectors, _tensor(tensor), torch.from_numpy(is_word)))


def target_index_of(targets: Tensor, candidate_ids: Sequence[int], where: str) -> Tensor:
    """Return the index ``[N]`` of each target among the candidates.

    Raises
    ------
    ParleyError
        If a target is not a candidate; `where` names the split in the message.
    """
    ids = torch.tensor(list(candidate_ids), dtype=torch.int64)
    # A binary search: comparing all targets with all candidates would take gigabytes for a large class set.
    order = ids.argsort(stable=True)
    ascending = ids[order]
    found = torch.searchsorted(ascending, targets).clamp(max=len(ids) - 1)
    strays = targets[ascending[found] != targets].unique().tolist()
    if strays:
        raise ParleyError(
            f"{where} holds images of label {', '.join(map(str, strays))}, which no candidate has; "
            "make it again together with the train part, or leave these classes out."
        )
    return order[found]


def require_descriptions(labels: Sequence[int], candidates: Candidates, where: str) -> None:
    """Raise `ParleyError` if a label has no description; `where` names the split in the message."""
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
    """The scales fitted on the train split."""

    features: Scale
    context: Scale | None = None
    """Scale of the logits; only with visual attention."""
    words: Scale | None = None
    """Scale of word vectors; None to leave them unchanged."""

    def read(self, descriptions: Descriptions) -> Descriptions:
        """Return the descriptions, standardised; padding stays zero."""
        if self.words is None:
            return descriptions
        words = descriptions.words
        if words is not None and descriptions.is_word is not None:
            words = torch.where(descriptions.is_word[..., None], self.words.apply(words), 0.0)
        return Descriptions(self.words.apply(descriptions.vectors), words, descriptions.is_word)

    def apply(self, images: Images | Maps) -> Images | Maps:
        """Return the images, standardised; feature maps are standardised batch by batch, when they are taken."""
        context = images.context
        if context is not None and self.context is not None:
            context = self.context.apply(context)
        if isinstance(images, Maps):
            assert context is not None  # maps have one
            return images._replace(context=context, mean=self.features.mean, sd=self.features.sd)
        return Images(self.features.apply(images.features), context)


def fit(images: Images | Maps, mode: str) -> Standardizer:
    """Fit the scales of images on the train split.

    Parameters
    ----------
    images
        All images of the train split.
    mode
        ``train`` to standardise by mean and standard deviation; ``none`` to leave features unchanged.
    """
    features = images.rows if isinstance(images, Maps) else images.features
    return Standardizer(_fit(features, mode), None if images.context is None else _fit(images.context, mode))


def fit_words(descriptions: Descriptions, mode: str) -> Scale | None:
    """Fit the scale of word vectors on the training classes' descriptions in the mode ``candidates``, else None."""
    return scale_of(descriptions.vectors) if mode == "candidates" else None


def _fit(values: Tensor | Rows, mode: str) -> Scale:
    if mode == "none":
        channels = values.shape[-1] if isinstance(values, Tensor) else values.shape[1]
        return Scale(torch.zeros(channels), torch.ones(channels))
    return scale_of(values) if isinstance(values, Tensor) else _scale_of_maps(values)


def scale_of(values: Tensor) -> Scale:
    """Return the mean and standard deviation of each channel of values ``[..., C]``."""
    rows = values.reshape(-1, values.shape[-1])
    return _scale(rows.mean(0), rows.std(0, correction=0))


def _scale_of_maps(rows: Rows) -> Scale:
    """Return the scale of maps ``[N, C, h, w]``, which may not fit into memory, in two passes."""
    count = rows.shape[0] * rows.shape[2] * rows.shape[3]
    total, squares = torch.zeros(2, rows.shape[1], dtype=torch.float64)
    for piece in rows.pieces():
        total += piece.sum((0, 2, 3), dtype=torch.float64)
    mean = total / count
    for piece in rows.pieces():
        squares += (piece - mean[:, None, None]).square().sum((0, 2, 3))
    return _scale(mean.float(), (squares / count).sqrt().float())


def _scale(mean: Tensor, sd: Tensor) -> Scale:
    # A constant channel becomes 0; divided by its standard deviation it would not be finite.
    return Scale(mean, torch.where(sd > 0, sd, torch.ones_like(sd)))
