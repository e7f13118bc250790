"""Disentanglement: whether each symbol of a message encodes a single attribute of the class.

Both measures are those of Chaabouni et al. (2020, "Compositionality and generalization in emergent languages"): the
gap between the two largest mutual informations of a symbol with an attribute, divided by the symbol's entropy, averaged
over the symbols that vary. 1 = each symbol encodes one attribute and nothing else; 0 = no symbol has more information
about one attribute than about another. Information is the plug-in estimate, which is too large for few dialogues; its
gap is above 0 even for random messages, so compare it with permuted attributes.

Shapes: N dialogues, d symbols a message, K classes, A attributes, P permutations.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.exchanges import Floats, Ints
from parley.metrics.information import as_bits, codes
from parley.metrics.permutation import Tested, against_null


def positional_disentanglement(symbols: NDArray[Any], attributes: NDArray[Any]) -> float | None:
    """Return positional disentanglement ("posdis"): whether each position encodes one attribute.

    Parameters
    ----------
    symbols
        Symbol at each position, from any alphabet [N, d].
    attributes
        Value of each attribute of what the message is about [N, A].

    Returns
    -------
    float | None
        Between 0 and 1; None where no position varies, as in a language that always says the same.

    Raises
    ------
    ValueError
        With fewer than two attributes, because the gap needs two.
    """
    if attributes.ndim != 2 or attributes.shape[1] < 2:
        raise ValueError("Disentanglement compares what symbols tell of two attributes at least.")
    rows = _numbered_columns(symbols)
    varying = rows[np.ptp(rows, axis=1) > 0]
    if not len(varying):
        return None
    each = np.ones(len(symbols), np.float32)
    return _mean_gap(_one_hot(varying), each, _one_hot(_numbered_columns(attributes)), np.arange(len(symbols)))


def bag_of_symbols_disentanglement(messages: NDArray[Any], attributes: NDArray[Any]) -> float | None:
    """Return bag-of-symbols disentanglement ("bosdis"): whether the count of each symbol encodes one attribute.

    Bits have two symbols, and the number of zeros is d minus that of ones: both counts carry the same information, and
    the mean over the two equals either.

    Parameters
    ----------
    messages
        Bits [N, d].
    attributes
        Value of each attribute [N, A].

    Returns
    -------
    float | None
        Between 0 and 1; None if all messages have the same number of ones. Raises `ValueError` as
        `positional_disentanglement` does, and for messages that are not of bits.
    """
    return positional_disentanglement(as_bits(messages).sum(axis=1, keepdims=True), attributes)


def positional_test(
    symbols: NDArray[Any],
    classes: NDArray[np.integer[Any]],
    attributes: NDArray[Any],
    permutations: int,
    generator: np.random.Generator,
) -> Tested | None:
    """Test `positional_disentanglement` against permuted classes; None if it is None.

    Whole rows of attributes are permuted over the classes: messages about one class stay together, and attributes stay
    correlated as they are. If single dialogues were permuted, any language that merely names classes would be beyond
    its null.

    Parameters
    ----------
    symbols
        As in `positional_disentanglement` [N, d].
    classes
        What each message is about, as a row of `attributes` [N].
    attributes
        Of the classes [K, A]; classes that no message is about do not count.
    permutations
        Number of permutations P.
    generator
        Random generator; the same seed gives the same null.
    """
    ids, own = np.unique(classes, return_inverse=True)
    table = attributes[ids]
    value = positional_disentanglement(symbols, table[own])
    if value is None:
        return None
    rows = _numbered_columns(symbols)
    varying, values = _one_hot(rows[np.ptp(rows, axis=1) > 0]), _one_hot(_numbered_columns(table))
    about = np.eye(len(ids), dtype=np.float32)[own]
    # How often each symbol is used for each class.
    used = _OneHot(about.T @ varying.table, varying.starts)
    orders = (generator.permutation(len(ids)) for _ in range(permutations))
    null = np.fromiter(
        (_mean_gap(used, about.sum(axis=0), values, order) for order in orders), np.float64, permutations
    )
    return against_null(value, null)


def bag_of_symbols_test(
    messages: NDArray[Any],
    classes: NDArray[np.integer[Any]],
    attributes: NDArray[Any],
    permutations: int,
    generator: np.random.Generator,
) -> Tested | None:
    """Test `bag_of_symbols_disentanglement` against permuted classes, as in `positional_test`."""
    return positional_test(as_bits(messages).sum(axis=1, keepdims=True), classes, attributes, permutations, generator)


class _OneHot(NamedTuple):
    """One-hot table of several integer columns: one column per value."""

    table: NDArray[np.float32]
    """[N, V], V the sum of the numbers of values."""
    starts: Ints
    """Where each column's values begin."""


def _one_hot(rows: Ints) -> _OneHot:
    counts = rows.max(axis=1) + 1
    starts = np.cumsum(counts) - counts
    table = np.zeros((rows.shape[1], counts.sum()), np.float32)
    table[np.arange(rows.shape[1]), rows + starts[:, None]] = 1
    return _OneHot(table, starts)


def _mean_gap(symbols: _OneHot, sizes: NDArray[np.float32], attributes: _OneHot, order: Ints) -> float:
    """Return the mean gap over the positions, all of which vary, with attributes in the given order.

    All mutual informations come from one table of counts, each symbol of each position by each value
    of each attribute: the product of two matrices, exact in single precision up to 2^24 dialogues.

    Parameters
    ----------
    symbols
        Count of each symbol of each position, for each of C things [C, V].
    sizes
        How many dialogues are about each [C].
    attributes
        Which values they have [C, V'].
    order
        A permutation of the C.
    """
    n, alone, moved = float(sizes.sum()), np.zeros(1, np.int64), attributes.table[order]
    joint = _entropies((symbols.table.T @ moved).astype(np.float64), symbols.starts, attributes.starts, n)
    own = _entropies(symbols.table.sum(axis=0, dtype=np.float64)[:, None], symbols.starts, alone, n)
    other = _entropies((sizes @ moved).astype(np.float64)[None], alone, attributes.starts, n)
    information = np.sort(np.maximum(own + other - joint, 0), axis=1)
    return float(((information[:, -1] - information[:, -2]) / own[:, 0]).mean())


def _entropies(counts: Floats, rows: Ints, columns: Ints, n: float) -> Floats:
    """Return the plug-in entropy in bits of each block of a table of counts; blocks begin at `rows` and `columns`."""
    terms = counts * np.log2(np.maximum(counts, 1))
    sums = np.add.reduceat(np.add.reduceat(terms, rows, axis=0), columns, axis=1)
    return np.asarray(np.log2(n) - sums / n)


def _numbered_columns(values: NDArray[Any]) -> Ints:
    return np.stack([codes(column) for column in values.T])


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
