"""Whether single symbols of a message stand for single attributes of what it is about.

Both measures are those of Chaabouni et al. (2020, "Compositionality and generalization in emergent languages"): of
the two attributes that a symbol tells most about, the gap between what it tells, over the symbol's entropy,
averaged over the symbols that vary. 1 = each symbol tells one attribute and nothing else; 0 = none tells more about
one attribute than about another. Information is the plug-in estimate, which few conversations make too large; its
gap too is above 0 for random messages.

Letters of shapes: N conversations, d symbols a message, A attributes, B rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.metrics.bits import as_bits
from parley.metrics.information import codes, row_entropies, row_information
from parley.metrics.ranking import Ints


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
    entropies = row_entropies(rows)[0]
    varies = entropies > 0
    if not varies.any():
        return None
    told = np.sort([row_information(rows, labels).plug_in for labels in _numbered_columns(attributes)], axis=0)
    return float(((told[-1] - told[-2])[varies] / entropies[varies]).mean())


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


def _numbered_columns(values: NDArray[Any]) -> Ints:
    return np.stack([codes(column) for column in values.T])
