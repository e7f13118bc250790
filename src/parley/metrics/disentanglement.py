"""Disentanglement and context independence: whether symbols encode single attributes, and concepts have their own.

The two measures of disentanglement are those of Chaabouni et al. (2020, "Compositionality and generalization in
emergent languages"): the gap between the two largest mutual informations of a symbol with an attribute, divided by the
symbol's entropy, averaged over the symbols that vary. 1 = each symbol encodes one attribute and nothing else; 0 = no
symbol has more information about one attribute than about another. Information is the plug-in estimate, which is too
large for few dialogues; its gap is above 0 even for random messages, so compare it with permuted attributes.

Context independence is that of Bogin, Geva and Berant (2018, "Emergence of communication in an interactive world with
consistent speakers"). For a concept c, take its clearest symbol v, the one with the highest P(c | v); the concept's
score is P(v | c) P(c | v), and the language's the mean over concepts. Here a symbol is a value at a position of the
message (bit 3 = 1), and probabilities are frequencies: P(v | c) is the fraction of messages about c that contain v,
P(c | v) the fraction of messages with v that are about c. The paper estimates them by a statistical alignment of words
and concepts, because its words have no fixed positions.

Shapes: N dialogues, d symbols per message, V distinct symbols over all positions, K classes, A attributes, C concepts,
P permutations.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.metrics.exchanges import Floats, Ints
from parley.metrics.information import as_bits, codes
from parley.metrics.permutation import Tested, against_null

ROUNDING = 1e-12
"""Probabilities that differ less are equal."""
OneHot = tuple[NDArray[np.float32], Ints]
"""One-hot table of several integer columns [N, V], and the index of each column's first value."""


def positional_test(
    symbols: NDArray[Any],
    classes: NDArray[np.integer[Any]],
    attributes: NDArray[Any],
    permutations: int,
    generator: np.random.Generator,
) -> Tested | None:
    """Test positional disentanglement ("posdis") against permuted classes: whether each position encodes one attribute.

    Whole rows of attributes are permuted over the classes: messages about one class stay together, and attributes stay
    correlated as they are. If single dialogues were permuted, any language that merely names classes would be beyond
    its null.

    Parameters
    ----------
    symbols
        Symbol at each position, from any alphabet [N, d].
    classes
        What each message is about, as a row of `attributes` [N].
    attributes
        Of the classes [K, A]; classes that no message is about do not count.
    permutations
        Number of permutations P.
    generator
        Random generator; the same seed gives the same null.

    Returns
    -------
    Tested or None
        A value between 0 and 1. None if no position varies, as in a language of one message.

    Raises
    ------
    ValueError
        With fewer than two attributes, because the gap needs two.
    """
    if attributes.ndim != 2 or attributes.shape[1] < 2:
        raise ValueError("Disentanglement compares the information about at least two attributes.")
    rows = _numbered_columns(symbols)
    varying = rows[np.ptp(rows, axis=1) > 0]
    if not len(varying):
        return None
    ids, own = np.unique(classes, return_inverse=True)
    values = _one_hot(_numbered_columns(attributes[ids]))
    about = np.eye(len(ids), dtype=np.float32)[own]
    table, starts = _one_hot(varying)
    used: OneHot = about.T @ table, starts  # how often each symbol is used for each class
    sizes = about.sum(axis=0)
    orders = (generator.permutation(len(ids)) for _ in range(permutations))
    null = np.fromiter((_mean_gap(used, sizes, values, order) for order in orders), np.float64, permutations)
    return against_null(_mean_gap(used, sizes, values, np.arange(len(ids))), null)


def bag_of_symbols_test(
    messages: NDArray[Any],
    classes: NDArray[np.integer[Any]],
    attributes: NDArray[Any],
    permutations: int,
    generator: np.random.Generator,
) -> Tested | None:
    """Test bag-of-symbols disentanglement ("bosdis"): whether the count of each symbol encodes one attribute.

    Bits have two symbols, and the number of zeros is d minus that of ones: both counts carry the same information, and
    the mean over the two equals either. Takes, returns and raises the same as `positional_test`, but the messages must
    be of bits; None if all have the same number of ones.
    """
    return positional_test(as_bits(messages).sum(axis=1, keepdims=True), classes, attributes, permutations, generator)


def independence_test(
    messages: NDArray[Any], concepts: NDArray[Any], permutations: int, generator: np.random.Generator
) -> Tested:
    """Test context independence against concepts permuted over the dialogues.

    The value lies between 0 and 1. 1 = each concept has a bit value that all its messages contain and no others. A
    language of one message gets the mean share of a concept among the dialogues, 1 / C for classes of equal size, and
    this is the value to compare with. For many classes it is always low: a bit value of half of the messages predicts
    a class with probability 2 / C at most. Of several equally clear symbols, the concept's most frequent one counts,
    so the order of the bits does not matter.

    Parameters
    ----------
    messages
        Bits [N, d].
    concepts
        Class of each dialogue [N], or value of each attribute [N, A]; a concept is a value of an attribute.
    permutations
        Number of permutations P.
    generator
        Random generator; the same seed gives the same null.
    """
    bits = as_bits(messages)
    contains = np.concatenate([bits == 0, bits == 1], axis=1).astype(np.float64)
    contains = np.asarray(contains[:, contains.any(axis=0)])  # symbols that occur [N, V]
    columns = _numbered_columns(concepts.reshape(len(concepts), -1))
    about = np.concatenate([np.eye(numbers.max() + 1)[numbers] for numbers in columns], axis=1)
    orders = (generator.permutation(len(about)) for _ in range(permutations))
    null = np.fromiter((_independence(contains, about[order]) for order in orders), np.float64, permutations)
    return against_null(_independence(contains, about), null)


def _independence(contains: Floats, about: Floats) -> float:
    """Return the mean score over concepts, from the symbols [N, V] and the concepts [N, C] of each dialogue."""
    together = about.T @ contains
    concept_given_symbol = together / contains.sum(axis=0)
    symbol_given_concept = together / about.sum(axis=0)[:, None]
    best = concept_given_symbol.max(axis=1, keepdims=True)
    clearest = concept_given_symbol >= best - ROUNDING
    return float((best[:, 0] * np.where(clearest, symbol_given_concept, 0.0).max(axis=1)).mean())


def _one_hot(rows: Ints) -> OneHot:
    counts = rows.max(axis=1) + 1
    starts = np.cumsum(counts) - counts
    table = np.zeros((rows.shape[1], counts.sum()), np.float32)
    table[np.arange(rows.shape[1]), rows + starts[:, None]] = 1
    return table, starts


def _mean_gap(symbols: OneHot, sizes: NDArray[np.float32], attributes: OneHot, order: Ints) -> float:
    """Return the mean gap over the positions, all of which vary, with attributes in the given order of the K classes.

    All mutual informations come from one table of counts, each symbol of each position by each value
    of each attribute: the product of two matrices, exact in single precision up to 2^24 dialogues.

    `symbols` counts each symbol of each position for each class [K, V], `sizes` the dialogues about each class [K], and
    `attributes` holds the values of each class [K, V'].
    """
    (used, starts), (values, value_starts) = symbols, attributes
    n, alone, moved = float(sizes.sum()), np.zeros(1, np.int64), values[order]
    joint = _entropies((used.T @ moved).astype(np.float64), starts, value_starts, n)
    own = _entropies(used.sum(axis=0, dtype=np.float64)[:, None], starts, alone, n)
    other = _entropies((sizes @ moved).astype(np.float64)[None], alone, value_starts, n)
    information = np.sort(np.maximum(own + other - joint, 0), axis=1)
    return float(((information[:, -1] - information[:, -2]) / own[:, 0]).mean())


def _entropies(counts: Floats, rows: Ints, columns: Ints, n: float) -> Floats:
    """Return the plug-in entropy in bits of each block of a table of counts; blocks begin at `rows` and `columns`."""
    terms = counts * np.log2(np.maximum(counts, 1))
    sums = np.add.reduceat(np.add.reduceat(terms, rows, axis=0), columns, axis=1)
    return np.asarray(np.log2(n) - sums / n)


def _numbered_columns(values: NDArray[Any]) -> Ints:
    return np.stack([codes(column) for column in values.T])
