"""Disentanglement and context independence: whether a symbol encodes one attribute, and a concept has its own symbol.

Both disentanglement metrics are those of Chaabouni et al. (2020, "Compositionality and generalization in emergent
languages"). For each symbol, compute its mutual information with each attribute, and divide the gap between the two
largest values by the symbol's entropy. The metric is the mean over all symbols that vary. It is 1 if each symbol
encodes one attribute and nothing else, and 0 if the two largest values of each symbol are equal. The plug-in estimate
of the information is too large for few dialogues. The metric is therefore above 0 even for random messages; compare it
with the value for permuted attributes.

Context independence is that of Bogin, Geva and Berant (2018, "Emergence of communication in an interactive world with
consistent speakers"). The clearest symbol v of a concept c is the symbol with the highest P(c | v). The score of the
concept is P(v | c) P(c | v), and the metric is the mean over concepts. Here, a symbol is a value at a position of the
message (bit 3 = 1), and probabilities are relative frequencies: P(v | c) is the fraction of messages about c that
contain v, and P(c | v) is the fraction of messages containing v that are about c. The paper instead estimates these
probabilities by a statistical alignment of words and concepts, because its words have no fixed positions.

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
"""Two probabilities are treated as equal if they differ by less than this."""
OneHot = tuple[NDArray[np.float32], Ints]
"""Concatenated one-hot encodings of several integer columns, ``[N, V]``, and the index at which each begins."""


def positional_test(
    symbols: NDArray[Any],
    classes: NDArray[np.integer[Any]],
    attributes: NDArray[Any],
    permutations: int,
    generator: np.random.Generator,
) -> Tested | None:
    """Test positional disentanglement ("posdis"): whether each position of the messages encodes one attribute.

    The null permutes whole rows of attributes over the classes. Messages about one class therefore stay together, and
    correlations between attributes are preserved. If single dialogues were permuted, any language that merely names
    classes would exceed its null.

    Parameters
    ----------
    symbols
        ``[N, d]``: symbol at each position of each message, from any alphabet.
    classes
        ``[N]``: class of each message, as the index of a row of `attributes`.
    attributes
        ``[K, A]``: attributes of the classes; classes without messages are ignored.
    permutations
        Number of permutations P.
    generator
        Random number generator for the permutations; the same seed gives the same null.

    Returns
    -------
    Tested or None
        Value between 0 and 1, with its null. None if no position varies, for example if all messages are equal.

    Raises
    ------
    ValueError
        If there are fewer than two attributes.
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
    used: OneHot = about.T @ table, starts  # count of each symbol for each class
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

    Bits have two symbols, 0 and 1. The number of zeros is d minus the number of ones, so both counts carry the same
    information and only the ones are counted. Parameters, result and errors are those of `positional_test`, except that
    messages must consist of bits, and that the result is None if all messages have the same number of ones.
    """
    return positional_test(as_bits(messages).sum(axis=1, keepdims=True), classes, attributes, permutations, generator)


def independence_test(
    messages: NDArray[Any], concepts: NDArray[Any], permutations: int, generator: np.random.Generator
) -> Tested:
    """Test context independence; the null permutes the concepts over the dialogues.

    The value is between 0 and 1. It is 1 if each concept has a bit value that occurs in all messages about the concept
    and in no others. If all messages are equal, the value is the mean fraction of dialogues about a concept, 1 / C for
    classes of equal size; compare with this baseline. For many classes the value is always low: a bit value that occurs
    in half of the messages predicts a class with a probability of at most 2 / C. Of several symbols v with
    the highest P(c | v), the one with the highest P(v | c) is used, so the order of the bits does not matter.

    Parameters
    ----------
    messages
        ``[N, d]``: messages as bits.
    concepts
        Class of each dialogue ``[N]``, or its attributes ``[N, A]``. Each class or attribute value is a concept.
    permutations
        Number of permutations P.
    generator
        Random number generator for the permutations; the same seed gives the same null.
    """
    bits = as_bits(messages)
    contains = np.concatenate([bits == 0, bits == 1], axis=1).astype(np.float64)
    contains = np.asarray(contains[:, contains.any(axis=0)])  # [N, V]; symbols that do not occur are left out
    columns = _numbered_columns(concepts.reshape(len(concepts), -1))
    about = np.concatenate([np.eye(numbers.max() + 1)[numbers] for numbers in columns], axis=1)
    orders = (generator.permutation(len(about)) for _ in range(permutations))
    null = np.fromiter((_independence(contains, about[order]) for order in orders), np.float64, permutations)
    return against_null(_independence(contains, about), null)


def _independence(contains: Floats, about: Floats) -> float:
    """Return the mean score over concepts, given the 0/1 arrays of symbols ``[N, V]`` and of concepts ``[N, C]``."""
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
    """Permute the attributes among the K classes, and return the normalised gap averaged over positions.

    The normalised gap is defined in the module's docstring. No position may be constant. All mutual informations are
    computed from one table, which counts how often each symbol at each position occurs with each value of each
    attribute. It is a product of two matrices, and exact in single precision up to 2^24 dialogues.

    `symbols` ``[K, V]`` is the count of each symbol at each position for each class, `sizes` ``[K]`` the number of
    dialogues about each class, and `attributes` the attributes of each class, one-hot encoded.
    """
    (used, starts), (values, value_starts) = symbols, attributes
    n, alone, moved = float(sizes.sum()), np.zeros(1, np.int64), values[order]
    joint = _entropies((used.T @ moved).astype(np.float64), starts, value_starts, n)
    own = _entropies(used.sum(axis=0, dtype=np.float64)[:, None], starts, alone, n)
    other = _entropies((sizes @ moved).astype(np.float64)[None], alone, value_starts, n)
    information = np.sort(np.maximum(own + other - joint, 0), axis=1)
    return float(((information[:, -1] - information[:, -2]) / own[:, 0]).mean())


def _entropies(counts: Floats, rows: Ints, columns: Ints, n: float) -> Floats:
    """Return the plug-in entropy, in bits, of each block of a table of counts; each block counts `n` cases.

    `rows` and `columns` contain the indices of the rows and columns at which blocks begin.
    """
    terms = counts * np.log2(np.maximum(counts, 1))
    sums = np.add.reduceat(np.add.reduceat(terms, rows, axis=0), columns, axis=1)
    return np.asarray(np.log2(n) - sums / n)


def _numbered_columns(values: NDArray[Any]) -> Ints:
    return np.stack([codes(column) for column in values.T])
