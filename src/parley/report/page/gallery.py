"""An example image of each class, in the order in which conversations about them are long."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from parley.metrics.conversations import Conversations
from parley.metrics.pooling import PooledPart, mean_over_seeds

SIDE_PX = 80


@dataclass(frozen=True, slots=True)
class ClassLine:
    """A class: the key of its example, and mean length (exchanges) and accuracy@1 over seeds."""

    label: str
    key: str | None
    length: float
    accuracy: float


def class_lines(part: PooledPart, examples: Mapping[str, str]) -> list[ClassLine]:
    """Return the classes that have images, those with the longest conversations first, as their figure has them.

    Parameters
    ----------
    part
        What a run's seeds found.
    examples
        Class → key of an image of it.
    """
    lengths, accuracies = mean_over_seeds(part.class_length), mean_over_seeds(part.class_accuracy)
    order = [int(c) for c in np.argsort(-lengths, kind="stable") if np.isfinite(lengths[c])]
    return [
        ClassLine(part.labels[c], examples.get(part.labels[c]), float(lengths[c]), float(accuracies[c])) for c in order
    ]


def first_of_each_class(conversations: Conversations) -> dict[str, str]:
    """Return the key of each class's first image in a file of conversations: a rule, so that nobody picks."""
    found: dict[str, str] = {}
    for key, target in zip(conversations.keys, conversations.targets.tolist(), strict=True):
        found.setdefault(conversations.labels[target], key)
    return found


def small(jpeg: bytes) -> bytes:
    """Return a JPEG made smaller, cut to a square of `SIDE_PX` from its middle."""
    with Image.open(io.BytesIO(jpeg)) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.convert("RGB").crop((left, top, left + side, top + side)).resize((SIDE_PX, SIDE_PX))
    stream = io.BytesIO()
    square.save(stream, "JPEG", quality=75, optimize=True)
    return stream.getvalue()
