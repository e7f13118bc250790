"""Making more of few images: what a batch's features go through in training, and never in evaluation.

Each way is a small class; a run goes through those that its settings name, in their order.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from parley.game.rng import uniforms_from
from parley.game.settings import TrainingSettings


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
