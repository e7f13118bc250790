"""The data of a training run: standardised splits, batches of images (on the GPU if they fit) and augmentation."""

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.features.rows import InMemory
from parley.game.rng import uniforms_from
from parley.game.settings import GameSettings, TrainingSettings
from parley.game.types import Descriptions, Images
from parley.interaction.run import ImageDataset, input_widths
from parley.interaction.split_data import (
    Candidates,
    Maps,
    Part,
    Standardizer,
    fit,
    fit_words,
    require_descriptions,
    target_index_of,
)
from parley.training.checkpoint import Sizes

logger = logging.getLogger(__name__)
SHARE_OF_FREE = 1 / 3
"""Largest share of a GPU's free memory that the images of the train split may take."""


class TrainingData(NamedTuple):
    """The train split and the dev split, standardised, and the candidates."""

    train_images: ImageDataset
    train_target_index: Tensor
    """``[N]`` int64: index of each image's class among the candidates."""
    dev_images: ImageDataset
    dev_target_index: Tensor
    descriptions: Descriptions
    """Descriptions of the candidates."""
    dev_descriptions: Descriptions
    """Descriptions used in evaluation; the same unless the config names others."""
    candidate_ids: list[int]
    labels: list[str]
    """Names of the candidates."""
    standardizer: Standardizer
    sizes: Sizes


def build_training_data(
    train: Part,
    dev: Part,
    candidates: Candidates,
    game: GameSettings,
    k: int = 1,
    dev_candidates: Candidates | None = None,
) -> TrainingData:
    """Fit the standardisation on the train split and apply it; the candidates are the classes of the train split.

    Parameters
    ----------
    train, dev
        The splits.
    candidates
        Every described class.
    game
        Settings.
    k
        The K of accuracy@K; at most the number of classes.
    dev_candidates
        The same classes with the descriptions used in evaluation, if these differ.

    Raises
    ------
    ParleyError
        If the splits and the descriptions do not match.
    """
    if not len(train.targets):
        raise ParleyError("The train part holds no image; check the counts of `split` in the config.")
    ids = train.targets.unique().tolist()
    require_descriptions(ids, candidates, "The train part")
    if k > len(ids):
        raise ParleyError(
            f"evaluation.k is {k}, but the train part has {len(ids)} classes; set it to {len(ids)} or less."
        )
    in_evaluation = candidates if dev_candidates is None else dev_candidates
    require_descriptions(ids, in_evaluation, "The train part")
    width, context_width = input_widths(train)
    rows = torch.tensor(ids)
    descriptions = candidates.descriptions.take(rows)
    standardizer = fit(train.images, game.standardize)
    standardizer = standardizer._replace(words=fit_words(descriptions, game.standardize_descriptions))
    return TrainingData(
        standardizer.apply(train.images),
        target_index_of(train.targets, ids, "The train part"),
        standardizer.apply(dev.images),
        target_index_of(dev.targets, ids, "The dev part"),
        standardizer.read(descriptions),
        standardizer.read(in_evaluation.descriptions.take(rows)),
        ids,
        [candidates.labels[label] for label in ids],
        standardizer,
        Sizes(width, candidates.descriptions.vectors.shape[-1], context_width),
    )


class Augmentation(ABC):
    """A random change of the features ``[S, B, C]`` of a training batch, or ``[S, B, L, C]`` of L cells.

    All cells of an image change by the same numbers. Evaluation uses no augmentation.
    """

    purpose: str
    """Purpose of its random numbers; together with the seed and the step, it determines them."""

    @abstractmethod
    def apply(self, features: Tensor, states: Tensor) -> Tensor:
        """Return the changed features.

        Parameters
        ----------
        features
            Features of a batch.
        states
            ``[S]`` int64: state of each seed's random numbers, from `rng.counter_states`, on the features' device.
        """


class Noise(Augmentation):
    """Add N(0, sd²) to each feature; features are standardised, so sd is relative to their spread."""

    purpose = "feature noise"

    def __init__(self, sd: float) -> None:
        self.sd = sd

    def apply(self, features: Tensor, states: Tensor) -> Tensor:
        """Add the noise."""
        uniform = _uniforms_like(features, states, 2)
        # Box and Muller (1958). The logarithm needs a positive number, which 1 - u is.
        normal = (-2 * (1 - uniform[..., 0]).log()).sqrt() * (2 * math.pi * uniform[..., 1]).cos()
        return features + self.sd * _same_for_cells(normal, features)


class Dropout(Augmentation):
    """Set features to 0 with a probability, and scale the others up to the same mean (Srivastava et al. 2014)."""

    purpose = "feature dropout"

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def apply(self, features: Tensor, states: Tensor) -> Tensor:
        """Drop features."""
        uniform = _uniforms_like(features, states, 1)[..., 0]
        factor = (uniform >= self.probability).to(features.dtype) / (1 - self.probability)
        return features * _same_for_cells(factor, features)


def _uniforms_like(features: Tensor, states: Tensor, numbers: int) -> Tensor:
    """Return uniform random numbers ``[S, B, C, numbers]``."""
    return uniforms_from(states, (features.shape[1], features.shape[-1], numbers)).to(features.dtype)


def _same_for_cells(values: Tensor, features: Tensor) -> Tensor:
    return values if features.dim() == 3 else values[:, :, None]


def augmentations(training: TrainingSettings) -> list[Augmentation]:
    """Return the augmentations that the settings turn on, in the order in which they apply."""
    noise = [Noise(training.feature_noise)] if training.feature_noise else []
    dropout = [Dropout(training.feature_dropout)] if training.feature_dropout else []
    return [*noise, *dropout]


class Blending:
    """Blend each image with a random one of its class: λ · image + (1 − λ) · other, with λ uniform in [0, 1).

    It is mixup (Zhang et al. 2018) within a class, so the target stays the same.

    Parameters
    ----------
    target_index
        ``[N]``: the class of each image of the train split.
    device
        Device of the rows that `partners` gets.
    """

    purpose = "blend"

    def __init__(self, target_index: Tensor, device: torch.device | str = "cpu") -> None:
        counts = target_index.bincount()
        tables = target_index, target_index.argsort(stable=True), counts, counts.cumsum(0) - counts
        self.target_index, self.order, self.counts, self.starts = (table.to(device) for table in tables)

    def partners(self, rows: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return a row of the same class for each of the rows ``[S, B]``, and λ ``[S, B]``.

        The states ``[S]`` of the random numbers come from `rng.counter_states`.
        """
        uniform = uniforms_from(states, (rows.shape[1], 2))
        classes = self.target_index[rows]
        offset = (uniform[..., 0] * self.counts[classes]).long()
        return self.order[self.starts[classes] + offset], uniform[..., 1]


class TrainImages:
    """Batches of the train split's images, blended if wanted, from the GPU's memory if all images fit there.

    Parameters
    ----------
    images
        All images of the train split.
    target_index
        ``[N]``: the class of each.
    blend
        Whether to blend each image with another of its class.
    device
        The device to train on.
    """

    def __init__(self, images: ImageDataset, target_index: Tensor, blend: bool, device: torch.device) -> None:
        moved = _on_device(images, device)
        self.on_device = moved is not None
        """Whether the images are on the device. The rows to take must be where the images are."""
        self.images: ImageDataset = images if moved is None else moved
        self.blending = Blending(target_index, device if self.on_device else "cpu") if blend else None

    def take(self, rows: Tensor, states: Mapping[str, Tensor]) -> Images:
        """Return the images of the given rows ``[S, B]``, float32.

        `states` has the state ``[S]`` of the random numbers of each purpose.
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


def _blend(images: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    return torch.lerp(others, images, shares.view(*shares.shape, *[1] * (images.dim() - 2)))


def _on_device(images: ImageDataset, device: torch.device) -> ImageDataset | None:
    """Return images on a device in their stored dtype, or None if they are not in memory or do not fit."""
    if device.type == "cpu":
        return images
    tensors = _tensors(images)
    if tensors is None:
        logger.info("The train split's images are read from their file, and each batch is copied to the GPU.")
        return None
    if device.type == "cuda":
        needed, (free, _) = sum(tensor.nbytes for tensor in tensors), torch.cuda.mem_get_info(device)
        if needed > SHARE_OF_FREE * free:
            logger.info(
                "The train split's images take %.1f GB, more than a third of the %.1f GB that are free on the GPU: "
                "they stay in the computer's memory, and each batch is copied.",
                needed / 1e9,
                free / 1e9,
            )
            return None
    first, *others = (tensor.to(device) for tensor in tensors)
    return Maps(InMemory(first), *others) if isinstance(images, Maps) else Images(first, *others)


def _tensors(images: ImageDataset) -> list[Tensor] | None:
    """Return the tensors of images in memory, in the order of their fields, or None if they are on disk."""
    if isinstance(images, Maps) and isinstance(images.rows, InMemory):
        return [images.rows.values, *(field for field in images[1:] if field is not None)]
    return [field for field in images if field is not None] if isinstance(images, Images) else None
