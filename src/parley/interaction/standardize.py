"""Shifting and scaling features by what the train part looks like."""

from typing import NamedTuple, overload

import torch
from torch import Tensor

from parley.features.rows import Rows
from parley.game.types import Descriptions, Images
from parley.interaction.split_data import Maps


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
