"""Context independence: whether each concept has its own symbol, whatever else the message is about.

Bogin, Geva and Berant (2018, "Emergence of communication in an interactive world with consistent speakers"). For a
concept c, take its clearest symbol v, the one with the highest P(c | v); the concept's score is
P(v | c) P(c | v), and the language's the mean over concepts.

Here a symbol is a value at a position of the message (bit 3 = 1), and probabilities are frequencies: P(v | c) is the
fraction of messages about c that contain v, P(c | v) the fraction of messages with v that are about c. The paper
estimates them by a statistical alignment of words and concepts, because its words have no fixed positions.

Shapes: N dialogues, d bits per message, A attributes, C concepts.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.metrics.bits import as_bits
from parley.metrics.information import codes
from parley.metrics.permutation import Tested, against_null
from parley.metrics.ranking import Floats

ROUNDING = 1e-12


def concept_independence(messages: NDArray[Any], concepts: NDArray[Any]) -> Floats:
    """Score each concept by its clearest symbol, between 0 and 1 [C].

    Among symbols equally clear it is the one that the concept has most often, so that the order of the bits does not
    matter.

    Parameters
    ----------
    messages
        Bits [N, d].
    concepts
        Class of each dialogue [N], or value of each attribute [N, A]; a concept is a value of an attribute. They
        are scored in the order of attributes, then of values.
    """
    return _scores(_held(messages), _about(concepts))


def _held(messages: NDArray[Any]) -> Floats:
    """Return for each dialogue which symbols its message contains, one column per value at a position [N, V]."""
    bits = as_bits(messages)
    held = np.concatenate([bits == 0, bits == 1], axis=1).astype(np.float64)
    return np.asarray(held[:, held.any(axis=0)])


def _about(concepts: NDArray[Any]) -> Floats:
    """Return for each dialogue which concepts it is about [N, C]."""
    columns = concepts.reshape(len(concepts), -1).T
    return np.concatenate([np.eye(numbers.max() + 1)[numbers] for numbers in map(codes, columns)], axis=1)


def _scores(held: Floats, about: Floats) -> Floats:
    together = about.T @ held
    concept_given_symbol = together / held.sum(axis=0)
    symbol_given_concept = together / about.sum(axis=0)[:, None]
    best = concept_given_symbol.max(axis=1, keepdims=True)
    clearest = concept_given_symbol >= best - ROUNDING
    return np.asarray(best[:, 0] * np.where(clearest, symbol_given_concept, 0.0).max(axis=1))


def context_independence(messages: NDArray[Any], concepts: NDArray[Any]) -> float:
    """Return the mean score over concepts, between 0 and 1; the parameters are those of `concept_independence`.

    1 = each concept has a bit value that all its messages contain and no others. A language of one message
    gets the mean share of a concept among the dialogues (1 / C for classes of equal size), and this is what to
    compare with. Of many classes the score is low by nature: a bit value of half of the messages
    predicts a class with probability 2 / C at most.
    """
    return float(concept_independence(messages, concepts).mean())


def independence_test(
    messages: NDArray[Any], concepts: NDArray[Any], permutations: int, generator: np.random.Generator
) -> Tested:
    """Test `context_independence` against concepts permuted over the dialogues."""
    held, about = _held(messages), _about(concepts)
    orders = (generator.permutation(len(about)) for _ in range(permutations))
    null = np.fromiter((_scores(held, about[order]).mean() for order in orders), np.float64, permutations)
    return against_null(float(_scores(held, about).mean()), null)
