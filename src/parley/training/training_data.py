"""Training data: standardised splits, augmentation, and batches of images that are stored on the GPU if they fit."""

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.features.rows import InMemory
from parley.game.rng import uniforms_from
from parley.game.settings import GameSettings, TrainingSettings, chosen_options
from parley.game.types import Descriptions, Images
from parley.interaction.run import ImageDataset, input_widths
from parley.interaction.split_data import (
    Candidates,
    Maps,
    Part,
    Standardizer,
    dev_candidate_ids,
    fit,
    fit_words,
    require_descriptions,
    target_index_of,
)
from parley.plugins.registry import Option, Registry
from parley.training.checkpoint import Sizes

logger = logging.getLogger(__name__)
SHARE_OF_FREE = 1 / 3
"""Maximum fraction of a GPU's free memory that the images of the train split may occupy."""


class TrainingData(NamedTuple):
    """The standardised train and dev splits, and the candidate classes, which are the classes of the train split."""

    train_images: ImageDataset
    train_target_index: Tensor
    """``[N]`` int64: index of each train image's class among the candidates."""
    dev_images: ImageDataset
    dev_target_index: Tensor
    descriptions: Descriptions
    """Descriptions of the candidates used in training, standardised."""
    dev_descriptions: Descriptions
    """Descriptions of the candidates on the dev split, as used in evaluation, standardised."""
    candidate_ids: list[int]
    dev_labels: list[str]
    """Names of the candidates on the dev split."""
    standardizer: Standardizer
    sizes: Sizes


def build_training_data(
    train: Part,
    dev: Part,
    candidates: Candidates,
    game: GameSettings,
    k: int = 1,
    dev_candidates: Candidates | None = None,
    among: str = "seen",
) -> TrainingData:
    """Fit the standardisation on the train split and apply it to both splits and to the descriptions.

    Parameters
    ----------
    train, dev
        The train and dev splits.
    candidates
        All classes with a description. Those that have train images become the candidates.
    game
        Settings of the game.
    k
        The K of accuracy@K; at most the number of candidates.
    dev_candidates
        Like `candidates`, but with the descriptions used in evaluation; None if they are the same.
    among
        The candidates on the dev split, a value of `training.dev_candidates` (see `dev_candidate_ids`).

    Raises
    ------
    ParleyError
        If the splits and the descriptions do not match, the train split is empty, or `k` is too large.
    """
    if not len(train.targets):
        raise ParleyError("The train split contains no images; check the counts of `split` in the config.")
    ids = train.targets.unique().tolist()
    require_descriptions(ids, candidates, "The train split")
    if k > len(ids):
        raise ParleyError(
            f"evaluation.k is {k}, but the train split has {len(ids)} classes; set it to {len(ids)} or less."
        )
    in_evaluation = candidates if dev_candidates is None else dev_candidates
    dev_ids = dev_candidate_ids(among, ids, dev, in_evaluation)
    if k > len(dev_ids):
        raise ParleyError(
            f"evaluation.k is {k}, but the dev split has {len(dev_ids)} candidates; set it to {len(dev_ids)} or less."
        )
    dev_rows = in_evaluation.rows_of(dev_ids)
    width, context_width = input_widths(train)
    descriptions = candidates.descriptions.take(torch.tensor(candidates.rows_of(ids)))
    standardizer = fit(train.images, game.standardize)
    standardizer = standardizer._replace(words=fit_words(descriptions, game.standardize_descriptions))
    return TrainingData(
        standardizer.apply(train.images),
        target_index_of(train.targets, ids, "The train split"),
        standardizer.apply(dev.images),
        target_index_of(dev.targets, dev_ids, "The dev split"),
        standardizer.read(descriptions),
        standardizer.read(in_evaluation.descriptions.take(torch.tensor(dev_rows))),
        ids,
        [in_evaluation.labels[row] for row in dev_rows],
        standardizer,
        Sizes(width, candidates.descriptions.vectors.shape[-1], context_width),
    )


class Augmentation(ABC):
    """Base class of random changes to a batch's features, ``[S, B, C]``, or ``[S, B, L, C]`` for maps of L cells.

    All cells of an image are changed with the same random numbers. Evaluation uses no augmentation.
    """

    purpose: str
    """Name of the augmentation, passed to `rng.counter_states`. With seed and step it determines the random numbers."""

    @abstractmethod
    def apply(self, features: Tensor, states: Tensor) -> Tensor:
        """Return augmented features.

        Parameters
        ----------
        features
            Features of a batch.
        states
            ``[S]`` int64: states of the random number generators, from `rng.counter_states`, on the features' device.
        """


class Noise(Augmentation):
    """Add Gaussian noise N(0, sd²) to each feature. If features are standardised, `sd` is in standard deviations."""

    purpose = "feature noise"

    def __init__(self, sd: float) -> None:
        self.sd = sd

    def apply(self, features: Tensor, states: Tensor) -> Tensor:
        """Add noise to the features."""
        uniform = _uniforms_like(features, states, 2)
        # The method of Box and Muller (1958). The logarithm requires a positive number; u can be 0, but 1 - u cannot.
        normal = (-2 * (1 - uniform[..., 0]).log()).sqrt() * (2 * math.pi * uniform[..., 1]).cos()
        return features + self.sd * _same_for_cells(normal, features)


class Dropout(Augmentation):
    """Set features to 0 with a given probability, and scale up the others to keep the mean (Srivastava et al. 2014)."""

    purpose = "feature dropout"

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def apply(self, features: Tensor, states: Tensor) -> Tensor:
        """Set features to 0 at random, and scale up the others."""
        uniform = _uniforms_like(features, states, 1)[..., 0]
        factor = (uniform >= self.probability).to(features.dtype) / (1 - self.probability)
        return features * _same_for_cells(factor, features)


def _uniforms_like(features: Tensor, states: Tensor, numbers: int) -> Tensor:
    """Return `numbers` uniform random numbers per channel, ``[S, B, C, numbers]``, for features of C channels."""
    return uniforms_from(states, (features.shape[1], features.shape[-1], numbers)).to(features.dtype)


def _same_for_cells(values: Tensor, features: Tensor) -> Tensor:
    return values if features.dim() == 3 else values[:, :, None]


class AugmentationFunction(Protocol):
    """An augmentation that a plug-in registers: a function with the arguments of `Augmentation.apply` and options."""

    def __call__(self, features: Tensor, states: Tensor, **options: Option) -> Tensor:
        """Return augmented features. All random numbers must be computed from `states`, by `rng.uniforms_from`."""


AUGMENTATIONS: Registry[AugmentationFunction] = Registry("augmentation", "training.augmentations", {})


class PluginAugmentation(Augmentation):
    """An augmentation of a plug-in, by its name in `AUGMENTATIONS`."""

    def __init__(self, name: str, training: TrainingSettings) -> None:
        self.name, self.purpose = name, f"augmentation {name}"
        self.function, self.options = AUGMENTATIONS[name], chosen_options(AUGMENTATIONS, name, training)

    def apply(self, features: Tensor, states: Tensor) -> Tensor:
        """Call the plug-in's function, and check the shape of its result."""
        augmented = self.function(features, states, **self.options)
        if augmented.shape != features.shape:
            raise ParleyError(
                f"training.augmentations: {self.name} returned features of shape {tuple(augmented.shape)}; return "
                f"them with the shape of those it is given, {tuple(features.shape)}."
            )
        return augmented.to(features.dtype)


def augmentations(training: TrainingSettings) -> list[Augmentation]:
    """Return the augmentations that the settings enable, in the order in which they are applied."""
    noise = [Noise(training.feature_noise)] if training.feature_noise else []
    dropout = [Dropout(training.feature_dropout)] if training.feature_dropout else []
    return [*noise, *dropout, *(PluginAugmentation(name, training) for name in training.augmentations)]


class Blending:
    """For each image, choose a partner and a weight to blend the two as in mixup (Zhang et al. 2018).

    The blended image is λ · image + (1 − λ) · partner, with λ uniform in [0, 1). The target does not change, because
    image and partner belong to the same class.

    Parameters
    ----------
    target_index
        ``[N]``: the class of each image of the train split.
    device
        Device of the rows that are passed to `partners`.
    """

    purpose = "blend"

    def __init__(self, target_index: Tensor, device: torch.device | str = "cpu") -> None:
        counts = target_index.bincount()
        tables = target_index, target_index.argsort(stable=True), counts, counts.cumsum(0) - counts
        self.target_index, self.order, self.counts, self.starts = (table.to(device) for table in tables)

    def partners(self, rows: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row of a random image of the same class for each of the rows ``[S, B]``, and λ ``[S, B]``.

        `states` are the states ``[S]`` of the seeds' random number generators, as returned by `rng.counter_states`.
        """
        uniform = uniforms_from(states, (rows.shape[1], 2))
        classes = self.target_index[rows]
        offset = (uniform[..., 0] * self.counts[classes]).long()
        return self.order[self.starts[classes] + offset], uniform[..., 1]


class TrainImages:
    """Batches of images of the train split.

    If the images are in memory and take at most `SHARE_OF_FREE` of the GPU's free memory, all are moved to the GPU.

    Parameters
    ----------
    images
        All images of the train split.
    target_index
        ``[N]``: the class of each image.
    blend
        Whether to blend each image with a random image of its class.
    device
        The device to train on.
    """

    def __init__(self, images: ImageDataset, target_index: Tensor, blend: bool, device: torch.device) -> None:
        moved = _on_device(images, device)
        self.on_device = moved is not None
        """Whether the images are on the training device. The rows passed to `take` must be on the images' device."""
        self.images: ImageDataset = images if moved is None else moved
        self.blending = Blending(target_index, device if self.on_device else "cpu") if blend else None

    def take(self, rows: Tensor, states: Mapping[str, Tensor]) -> Images:
        """Return the images of the given rows ``[S, B]`` as float32, randomly augmented if the settings say so.

        `states` maps each use of random numbers to the states ``[S]`` of its generators, one per seed.
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
    """Copy images to a device in their stored dtype. Return None if they are on disk or too large for the device."""
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
    """Return the tensors of images in memory, in the order of their fields. Return None if the images are on disk."""
    if isinstance(images, Maps) and isinstance(images.rows, InMemory):
        return [images.rows.values, *(field for field in images[1:] if field is not None)]
    return [field for field in images if field is not None] if isinstance(images, Images) else None
