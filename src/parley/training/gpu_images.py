"""The train part's images, on the GPU that learns from them where they fit."""

import logging
from collections.abc import Mapping

import torch
from torch import Tensor

from parley.features.rows import InMemory
from parley.game.types import Images
from parley.interaction.run import ImageDataset
from parley.interaction.split_data import Maps
from parley.training.augmentation import Blending

logger = logging.getLogger(__name__)
SHARE_OF_FREE = 1 / 3
"""Largest share of a GPU's free memory that images may take."""


class TrainImages:
    """Images to take batches of, each blended with another of its class where that is wanted.

    Parameters
    ----------
    images
        All of the train part.
    places
        ``[N]``: the class of each.
    blend
        Whether they are blended.
    device
        Where to learn from them.
    """

    def __init__(self, images: ImageDataset, places: Tensor, blend: bool, device: torch.device) -> None:
        there = _moved(images, device)
        self.on_device = there is not None
        """Whether they lie on the device. Rows to take must lie where the images do."""
        self.images: ImageDataset = images if there is None else there
        self.blending = Blending(places, device if self.on_device else "cpu") if blend else None

    def take(self, rows: Tensor, states: Mapping[str, Tensor]) -> Images:
        """Return the images of the given rows ``[S, B]``, float32.

        Parameters
        ----------
        rows
            Of the train part.
        states
            Where each seed's random numbers begin, ``[S]`` by purpose.
        """
        images = self.images.take(rows)
        if self.blending is None:
            return images
        partners, shares = self.blending.partners(rows, states[self.blending.purpose])
        others = self.images.take(partners)
        context = images.context
        if context is not None and others.context is not None:
            context = _blend(context, others.context, shares)
        return Images(_blend(images.features, others.features, shares), context)


def _blend(one: Tensor, other: Tensor, shares: Tensor) -> Tensor:
    """Return shares of one and the rest of the other, image by image."""
    return torch.lerp(other, one, shares.view(*shares.shape, *[1] * (one.dim() - 2)))


def _moved(images: ImageDataset, device: torch.device) -> ImageDataset | None:
    """Return the images on a device, as they are stored; None where they are not in memory, or do not fit there."""
    if device.type == "cpu":
        return images
    parts = _tensors(images)
    if parts is None:
        logger.info("The train part's images are read from their file, and each batch is copied to the GPU.")
        return None
    if device.type == "cuda":
        needed, (free, _) = sum(part.nbytes for part in parts), torch.cuda.mem_get_info(device)
        if needed > SHARE_OF_FREE * free:
            logger.info(
                "The train part's images take %.1f GB, more than a third of the %.1f GB that are free on the GPU: they "
                "stay in the computer's memory, and each batch is copied.",
                needed / 1e9,
                free / 1e9,
            )
            return None
    if isinstance(images, Maps):
        rows, *others = (part.to(device) for part in parts)
        return Maps(InMemory(rows), *others)
    return Images(*(part.to(device) for part in parts))


def _tensors(images: ImageDataset) -> list[Tensor] | None:
    """Return the tensors that images in memory are made of, in the order of their fields."""
    if isinstance(images, Maps):
        kept = [images.rows.values] if isinstance(images.rows, InMemory) else None
        return kept and [*kept, *(part for part in images[1:] if part is not None)]
    return [part for part in images if part is not None] if isinstance(images, Images) else None
