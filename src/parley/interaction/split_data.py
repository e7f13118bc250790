"""Load the images and targets of a split and the descriptions of the candidates, and standardise them."""

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
from parley.text.description_vectors import read_description_vectors
from parley.text.descriptions import listed_ids, read_descriptions


class Maps(NamedTuple):
    """The feature maps of N images in their stored dtype, in memory or on disk. `take` converts them to cells."""

    rows: Rows
    """``[N, C, h, w]``: the feature maps."""
    context: Tensor | None
    """``[N, Z]``: the image classifier's logits, used as context vectors; None without context."""
    mean: Tensor | None = None
    sd: Tensor | None = None
    """``[C]`` each: mean and standard deviation with which `take` standardises; both None to not standardise."""

    def take(self, rows: Tensor) -> Images:
        """Return the images of the given rows: cells ``[..., L, C]``, with L = h · w, and context vectors."""
        cells = self.rows.take(rows).flatten(-2).mT
        if self.mean is not None and self.sd is not None:
            cells = (cells - self.mean).div_(self.sd)
        return Images(cells.contiguous(), None if self.context is None else self.context[rows])


class Part(NamedTuple):
    """The N images of a split."""

    images: Images | Maps
    targets: Tensor
    """``[N]`` int64: label id of each image."""
    keys: list[str]


def random_subset(part: Part, most: int | None) -> Part:
    """Return a random subset of at most `most` images in their original order, the same for every run and seed."""
    if most is None or len(part.keys) <= most:
        return part
    rows = permutation(0, "recorded images", 0, len(part.keys))[:most].sort().values
    return Part(part.images.take(rows), part.targets[rows], [part.keys[row] for row in rows.tolist()])


class Candidates(NamedTuple):
    """Names and descriptions of all classes that have a description, in the order of their label ids."""

    labels: list[str]
    descriptions: Descriptions
    ids: Sequence[int] | None = None
    """Their label ids in ascending order; None if there are no gaps: 0, 1, 2 and so on."""

    @property
    def label_ids(self) -> Sequence[int]:
        """The label ids of all classes."""
        return range(len(self.labels)) if self.ids is None else self.ids

    def rows_of(self, ids: Sequence[int]) -> list[int]:
        """Return the row of each label id, an index of `labels` and of `descriptions`."""
        rows = {label: row for row, label in enumerate(self.label_ids)}
        return [rows[label] for label in ids]


def load_part(path: str | Path, game: GameSettings) -> Part:
    """Load the targets of a split, and the features that are the Sender's input.

    Parameters
    ----------
    path
        Path of the split's HDF5 file.
    game
        Settings of the game. With visual attention, the features are feature maps, and, with `attention_context`,
        the backbone's logits are the context of the Sender's attention; otherwise the features are vectors ``[N, C]``.
        Targets are permuted if `permute_labels` is set.
    """
    layer = layer_of(game)
    if game.visual_attention:
        maps, targets, keys = open_features(path, layer)
        if len(maps.shape) != 4:
            raise ParleyError(f"{path}: {layer} has no cells to attend to; set game.image_layer to a feature map.")
        context = _tensor(read_features(path, "logits").features) if game.attention_context else None
        return Part(Maps(maps, context), _targets(targets, keys, game), keys)
    vectors = read_features(path, layer)
    if vectors.features.ndim != 2:
        raise ParleyError(
            f"{path}: {layer} is a feature map, which requires a Sender with visual attention; "
            "set game.image_layer to a vector such as pooled or logits, or game.preset to one with Attention."
        )
    return Part(Images(_tensor(vectors.features)), _targets(vectors.targets, vectors.keys, game), vectors.keys)


def _targets(labels: np.ndarray, keys: Sequence[str], game: GameSettings) -> Tensor:
    """Return the label ids, permuted if `permute_labels` is set. The permutation is the same for every run and seed.

    Each split has its own permutation. With a shared permutation, splits of the same size and class order would be
    permuted identically, and what is learned on one split would transfer to the other.
    """
    targets = torch.from_numpy(labels)
    if not game.permute_labels:
        return targets
    return targets[permutation(game.permute_labels, f"labels of {digest_of(keys)}", 0, len(targets))]


def layer_of(game: GameSettings) -> str:
    """Return the role (such as ``pooled``) or the dataset name of the features that are the Sender's input."""
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
        Settings of the game. With description attention, the vectors of single words or tokens are also loaded.
    """
    described = read_descriptions(descriptions)
    labels, ids = [row.label for row in described], [row.label_id for row in described]
    vectors, tokens, is_token = read_description_vectors(words, described, game.description_attention)
    if tokens is None or is_token is None:
        return Candidates(labels, Descriptions(_tensor(vectors)), ids)
    return Candidates(labels, Descriptions(_tensor(vectors), _tensor(tokens), torch.from_numpy(is_token)), ids)


def target_index_of(targets: Tensor, candidate_ids: Sequence[int], where: str) -> Tensor:
    """Return the index ``[N]`` of each target among the candidates.

    Raises
    ------
    ParleyError
        If a target is not a candidate; `where` names the split in the message.
    """
    ids = torch.tensor(list(candidate_ids), dtype=torch.int64)
    # A binary search avoids comparing all targets with all candidates, which takes gigabytes for large class sets.
    order = ids.argsort(stable=True)
    ascending = ids[order]
    found = torch.searchsorted(ascending, targets).clamp(max=len(ids) - 1)
    strays = targets[ascending[found] != targets].unique().tolist()
    if strays:
        raise ParleyError(
            f"{where} contains images of label {', '.join(map(str, strays))}, which no candidate has; "
            "make this split and the train split again together, or leave these classes out."
        )
    return order[found]


def require_descriptions(labels: Sequence[int], candidates: Candidates, where: str) -> None:
    """Raise `ParleyError` if a label has no description; `where` names the split in the message."""
    if strays := sorted(set(labels) - set(candidates.label_ids)):
        raise ParleyError(
            f"{where} contains images of label {', '.join(map(str, strays))}, but descriptions.csv describes the "
            f"labels {listed_ids(candidates.label_ids)}; describe these classes or leave their images out."
        )


def dev_candidate_ids(among: str, seen: Sequence[int], dev: Part, candidates: Candidates) -> list[int]:
    """Return the label ids of the candidates on the dev split.

    Parameters
    ----------
    among
        ``seen``: the classes trained on; ``own``: those of the dev split; ``all``: all in `candidates`, as in the
        original implementation (Evtimova et al., 2018). The last two may differ from the classes trained on.
    seen
        Label ids of the classes trained on.
    dev
        The dev split.
    candidates
        The classes described for evaluation.

    Raises
    ------
    ParleyError
        If `among` is unknown, or a candidate is not described.
    """
    choices = {"seen": seen, "own": dev.targets.unique().tolist(), "all": candidates.label_ids}
    if among not in choices:
        raise ParleyError(f"training.dev_candidates: {among!r} is not one of {', '.join(choices)}.")
    require_descriptions(choices[among], candidates, "The dev split" if among == "own" else "The train split")
    return list(choices[among])


class Scale(NamedTuple):
    """Mean and standard deviation of each channel, ``[C]`` each."""

    mean: Tensor
    sd: Tensor

    def apply(self, features: Tensor) -> Tensor:
        """Return ``(features − mean) / sd`` for features whose last dimension is C."""
        return (features - self.mean) / self.sd


class Standardizer(NamedTuple):
    """Scales fitted on the train split, to standardise every split."""

    features: Scale
    context: Scale | None = None
    """Scale of the context vectors (image classifier's logits); None without visual attention or context."""
    words: Scale | None = None
    """Scale of the word vectors; None to leave them unchanged."""

    def read(self, descriptions: Descriptions) -> Descriptions:
        """Return the descriptions, standardised except for padding, which stays zero."""
        if self.words is None:
            return descriptions
        words = descriptions.words
        if words is not None and descriptions.is_word is not None:
            words = torch.where(descriptions.is_word[..., None], self.words.apply(words), 0.0)
        return Descriptions(self.words.apply(descriptions.vectors), words, descriptions.is_word)

    def apply(self, images: Images | Maps) -> Images | Maps:
        """Return the images, standardised. Feature maps are standardised only when `Maps.take` reads a batch."""
        context = images.context
        if context is not None and self.context is not None:
            context = self.context.apply(context)
        if isinstance(images, Maps):
            return images._replace(context=context, mean=self.features.mean, sd=self.features.sd)
        return Images(self.features.apply(images.features), context)


def fit(images: Images | Maps, mode: str) -> Standardizer:
    """Return a standardizer with the scales of the train split's images.

    Parameters
    ----------
    images
        All images of the train split.
    mode
        ``train`` to standardise features by their mean and standard deviation; ``none`` to leave them unchanged.
    """
    features = images.rows if isinstance(images, Maps) else images.features
    return Standardizer(_fit(features, mode), None if images.context is None else _fit(images.context, mode))


def fit_words(descriptions: Descriptions, mode: str) -> Scale | None:
    """Return the scale of the descriptions used in training; None unless `mode` is ``candidates``."""
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
    """Return the scale of feature maps ``[N, C, h, w]``, which may not fit into memory, in two passes over the maps."""
    count = rows.shape[0] * rows.shape[2] * rows.shape[3]
    total, squares = torch.zeros(2, rows.shape[1], dtype=torch.float64)
    for piece in rows.pieces():
        total += piece.sum((0, 2, 3), dtype=torch.float64)
    mean = total / count
    for piece in rows.pieces():
        squares += (piece - mean[:, None, None]).square().sum((0, 2, 3))
    return _scale(mean.float(), (squares / count).sqrt().float())


def _scale(mean: Tensor, sd: Tensor) -> Scale:
    # Constant channels are divided by 1, because dividing by their standard deviation of 0 would not be finite.
    return Scale(mean, torch.where(sd > 0, sd, torch.ones_like(sd)))
