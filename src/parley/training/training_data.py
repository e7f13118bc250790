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


class Augmentation(ABC):
    """A change of features ``[S, B, C]``, or ``[S, B, L, C]`` whose cells change alike."""

    purpose: str
    """What its random numbers are for; decides them, with the seed and the step."""

    @abstractmethod
    def apply(self, features: Tensor, states: Tensor) -> Tensor:
        """Return the features of a step, changed as each seed's own random numbers say.

        Parameters
        ----------
        features
            Of a batch.
        states
            ``[S]`` int64: from `rng.counter_states`, where the features lie.
        """


class Noise(Augmentation):
    """Adds N(0, sd²) to each feature; of standardised features, sd is a share of their spread."""

    purpose = "feature noise"

    def __init__(self, sd: float) -> None:
        self.sd = sd

    def apply(self, features: Tensor, states: Tensor) -> Tensor:
        """Add the noise."""
        drawn = _drawn(features, states, 2)
        # Box and Muller (1958). 1 − u is above 0, as a logarithm must have it.
        normal = (-2 * (1 - drawn[..., 0]).log()).sqrt() * (2 * math.pi * drawn[..., 1]).cos()
        return features + self.sd * _for_cells(normal, features)


class Dropout(Augmentation):
    """Sets features to 0 with a probability, and scales the others up to the same mean (Srivastava et al. 2014)."""

    purpose = "feature dropout"

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def apply(self, features: Tensor, states: Tensor) -> Tensor:
        """Drop features."""
        drawn = _drawn(features, states, 1)[..., 0]
        kept = (drawn >= self.probability).to(features.dtype) / (1 - self.probability)
        return features * _for_cells(kept, features)


def _drawn(features: Tensor, states: Tensor, numbers: int) -> Tensor:
    """Return uniform numbers ``[S, B, C, numbers]``."""
    return uniforms_from(states, (features.shape[1], features.shape[-1], numbers)).to(features.dtype)


def _for_cells(values: Tensor, features: Tensor) -> Tensor:
    return values if features.dim() == 3 else values[:, :, None]


def augmentations(training: TrainingSettings) -> list[Augmentation]:
    """Return what the settings name."""
    named: list[Augmentation] = []
    if training.feature_noise:
        named.append(Noise(training.feature_noise))
    if training.feature_dropout:
        named.append(Dropout(training.feature_dropout))
    return named


class Blending:
    """Blends each image with another of its class: λ·one + (1 − λ)·other, λ uniform in [0, 1).

    Mixup (Zhang et al. 2018) within a class, so that the target stays what it is.

    Parameters
    ----------
    places
        ``[N]``: the class of each image of the train part.
    device
        Where the rows lie that partners are found for.
    """

    purpose = "blend"

    def __init__(self, places: Tensor, device: torch.device | str = "cpu") -> None:
        counts = places.bincount()
        tables = places, places.argsort(stable=True), counts, counts.cumsum(0) - counts
        self.places, self.order, self.counts, self.starts = (table.to(device) for table in tables)

    def partners(self, rows: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return another row of the same class for each of the rows ``[S, B]``, and λ ``[S, B]``.

        The numbers drawn for it begin at the states ``[S]``, from `rng.counter_states`.
        """
        drawn = uniforms_from(states, (rows.shape[1], 2))
        classes = self.places[rows]
        within = (drawn[..., 0] * self.counts[classes]).long()
        return self.order[self.starts[classes] + within], drawn[..., 1]


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


class TrainingData(NamedTuple):
    """The train part to learn from and the dev part to be examined on."""

    train_images: ImageDataset
    train_target_index: Tensor
    dev_images: ImageDataset
    dev_target_index: Tensor
    descriptions: Descriptions
    dev_descriptions: Descriptions
    """Those read in evaluation; the same unless others are given."""
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
    """Fit the standardisation on the train part and apply it; the candidates are the train part's classes.

    Parameters
    ----------
    train, dev
        The parts.
    candidates
        Every described class.
    game
        Settings.
    k
        The K of accuracy@K, which must leave something to be wrong about.
    dev_candidates
        The same classes as they are described in evaluation, where that is otherwise.

    Raises
    ------
    ParleyError
        When the parts and the descriptions do not fit together.
    """
    if not len(train.targets):
        raise ParleyError("The train part holds no image; check the counts of `split` in the config.")
    ids = train.targets.unique().tolist()
    require_descriptions(ids, candidates, "The train part")
    if k > len(ids):
        raise ParleyError(
            f"evaluation.k is {k}, but the train part has {len(ids)} classes; set it to {len(ids)} or less."
        )
    read_in_dev = candidates if dev_candidates is None else dev_candidates
    require_descriptions(ids, read_in_dev, "The train part")
    standardizer = fit(train.images, game.standardize)
    width, context_width = input_widths(train)
    chosen = torch.tensor(ids)
    read = candidates.descriptions.take(chosen)
    standardizer = standardizer._replace(words=fit_words(read, game.standardize_descriptions))
    return TrainingData(
        standardizer.apply(train.images),
        target_index_of(train.targets, ids, "The train part"),
        standardizer.apply(dev.images),
        target_index_of(dev.targets, ids, "The dev part"),
        standardizer.read(read),
        standardizer.read(read_in_dev.descriptions.take(chosen)),
        ids,
        [candidates.labels[label] for label in ids],
        standardizer,
        Sizes(width, candidates.descriptions.vectors.shape[-1], context_width),
    )
