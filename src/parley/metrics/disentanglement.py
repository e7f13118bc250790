"""Whether single symbols of a message stand for single attributes of what it is about.

Both measures are those of Chaabouni et al. (2020, "Compositionality and generalization in emergent languages"): of
the two attributes that a symbol tells most about, the gap between what it tells, over the symbol's entropy,
averaged over the symbols that vary. 1 = each symbol tells one attribute and nothing else; 0 = none tells more about
one attribute than about another. Information is the plug-in estimate, which few conversations make too large; its
gap too is above 0 for random messages, and is to be compared with what permuted attributes give.

Letters of shapes: N conversations, d symbols a message, K classes, A attributes, P permutations.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.bits import as_bits
from parley.metrics.information import codes
from parley.metrics.permutation import Tested, against_null
from parley.metrics.ranking import Floats, Ints


def positional_disentanglement(symbols: NDArray[Any], attributes: NDArray[Any]) -> float | None:
    """Measure whether each position tells one attribute ("posdis").

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
        With fewer than two attributes, between which there is no gap.
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
    """Measure whether the count of each symbol tells one attribute, wherever in the message it stands ("bosdis").

    The alphabet of bits has two symbols, and the number of zeros is d less that of ones: both counts tell the same,
    and the mean over the two is what either gives.

    Parameters
    ----------
    messages
        Bits [N, d].
    attributes
        Value of each attribute [N, A].

    Returns
    -------
    float | None
        Between 0 and 1; None where all messages have as many ones. Raises `ValueError` as
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
    """Compare `positional_disentanglement` with that of classes in each other's places; None where it is.

    Classes change attributes as wholes: messages about one class stay together, and attributes go with each other as
    they did. If conversations changed places one by one, each language that merely names classes would lie beyond its
    null.

    Parameters
    ----------
    symbols
        As of `positional_disentanglement` [N, d].
    classes
        What each message is about, as a row of `attributes` [N].
    attributes
        Of the classes [K, A]; classes that no message is about do not count.
    permutations
        How many, P.
    generator
        Draws them; the same seed gives the same null.
    """
    ids, own = np.unique(classes, return_inverse=True)
    table = attributes[ids]
    value = positional_disentanglement(symbols, table[own])
    if value is None:
        return None
    rows = _numbered_columns(symbols)
    varying, values = _one_hot(rows[np.ptp(rows, axis=1) > 0]), _one_hot(_numbered_columns(table))
    about = np.eye(len(ids), dtype=np.float32)[own]
    # How often each symbol is said of each class.
    said = _OneHot(about.T @ varying.table, varying.starts)
    orders = (generator.permutation(len(ids)) for _ in range(permutations))
    null = np.fromiter(
        (_mean_gap(said, about.sum(axis=0), values, order) for order in orders), np.float64, permutations
    )
    return against_null(value, null)


def bag_of_symbols_test(
    messages: NDArray[Any],
    classes: NDArray[np.integer[Any]],
    attributes: NDArray[Any],
    permutations: int,
    generator: np.random.Generator,
) -> Tested | None:
    """Compare `bag_of_symbols_disentanglement` with chance, as `positional_test` does."""
    return positional_test(as_bits(messages).sum(axis=1, keepdims=True), classes, attributes, permutations, generator)


class _OneHot(NamedTuple):
    """Columns of numbers as a table of zeros and ones: a column a value."""

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

    All mutual informations come of one table, how often each symbol of each position meets each value of each
    attribute: the product of two matrices, exact in single precision up to 2^24 conversations.

    Parameters
    ----------
    symbols
        How often each symbol of each position is said, of each of C things [C, V].
    sizes
        How many conversations are about each [C].
    attributes
        Which values they have [C, V'].
    order
        A permutation of the C.
    """
    n, alone, moved = float(sizes.sum()), np.zeros(1, np.int64), attributes.table[order]
    joint = _entropies((symbols.table.T @ moved).astype(np.float64), symbols.starts, attributes.starts, n)
    own = _entropies(symbols.table.sum(axis=0, dtype=np.float64)[:, None], symbols.starts, alone, n)
    other = _entropies((sizes @ moved).astype(np.float64)[None], alone, attributes.starts, n)
    told = np.sort(np.maximum(own + other - joint, 0), axis=1)
    return float(((told[:, -1] - told[:, -2]) / own[:, 0]).mean())


def _entropies(counts: Floats, rows: Ints, columns: Ints, n: float) -> Floats:
    """Return the plug-in entropy in bits of each block of a table of counts; blocks begin at `rows` and `columns`."""
    terms = counts * np.log2(np.maximum(counts, 1))
    sums = np.add.reduceat(np.add.reduceat(terms, rows, axis=0), columns, axis=1)
    return np.asarray(np.log2(n) - sums / n)


def _numbered_columns(values: NDArray[Any]) -> Ints:
    return np.stack([codes(column) for column in values.T])
