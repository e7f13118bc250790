"""Shifting and scaling features by what the train part looks like."""

from typing import NamedTuple

import torch
from torch import Tensor

from parley.game.payloads import Images


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

    def apply(self, images: Images) -> Images:
        """Return the images on the train part's scale."""
        context = images.context
        if context is not None and self.context is not None:
            context = self.context.apply(context)
        return Images(self.features.apply(images.features), context)


def fit(images: Images, mode: str) -> Standardizer:
    """Fit the scales on the train part.

    Parameters
    ----------
    images
        All images of the train part.
    mode
        ``train``: by mean and standard deviation; ``none``: leaves features as they are.
    """
    return Standardizer(
        _fit_scale(images.features, mode), None if images.context is None else _fit_scale(images.context, mode)
    )


def _fit_scale(values: Tensor, mode: str) -> Scale:
    if mode == "none":
        return Scale(values.new_zeros(values.shape[-1]), values.new_ones(values.shape[-1]))
    rows = values.reshape(-1, values.shape[-1])
    sd = rows.std(0, correction=0)
    # A channel that never varies says nothing; divided by 1 it becomes 0 instead of infinite.
    return Scale(rows.mean(0), torch.where(sd > 0, sd, torch.ones_like(sd)))
