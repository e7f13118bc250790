"""Languages of known score, for the tests of metrics."""

from typing import NamedTuple

import numpy as np


class Language(NamedTuple):
    """Messages [N, 4] about classes with two attributes of four values each [N, 2]; the class is the pair [N]."""

    messages: np.ndarray
    attributes: np.ndarray
    classes: np.ndarray


def _bits(numbers, width):
    return (numbers[:, None] >> np.arange(width)) & 1


def things(copies):
    pairs = np.stack(np.meshgrid(np.arange(4), np.arange(4), indexing="ij"), axis=-1).reshape(-1, 2)
    return np.repeat(pairs, copies, axis=0)


def compositional(copies=4):
    """Give each attribute two bits of its own."""
    attributes = things(copies)
    messages = np.concatenate([_bits(attributes[:, 0], 2), _bits(attributes[:, 1], 2)], axis=1)
    return Language(messages, attributes, attributes @ [4, 1])


def holistic(copies=4, seed=0):
    """Give each pair of values one of the 16 messages, at random."""
    attributes = things(copies)
    classes = attributes @ [4, 1]
    return Language(_bits(np.random.default_rng(seed).permutation(16)[classes], 4), attributes, classes)


def random(copies=4, seed=0, width=4):
    """Draw the bits at random, independent of the class."""
    attributes = things(copies)
    messages = np.random.default_rng(seed).integers(0, 2, (len(attributes), width))
    return Language(messages, attributes, attributes @ [4, 1])


def constant(copies=4):
    """Use one message for all classes."""
    attributes = things(copies)
    return Language(np.tile([0, 1, 1, 0], (len(attributes), 1)), attributes, attributes @ [4, 1])
