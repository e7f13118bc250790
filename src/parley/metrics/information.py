"""Entropy of messages, and mutual information of messages and classes, in bits; for whole messages and for each bit.

Shapes: N dialogues, T exchanges, K candidates, d bits per message, B rows of symbols, P permutations.

The plug-in estimate uses relative frequencies as probabilities. For few dialogues it underestimates entropy and
overestimates information. For example, messages of 32 random bits are almost all distinct, so each seems to identify
its class, and the plug-in estimate of the information is nearly the entropy of the classes (log2 N if each dialogue has
its own class). The Miller–Madow correction works if most distinct values occur several times, but not for these random
messages. Subtracting the mean over shuffled labels also works for random messages, and gives 0 on average.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from parley.metrics.exchanges import Floats, Ints, by_case, log_probabilities, nll_nats
from parley.metrics.permutation import BLOCK, Tested, against_null


def codes(values: NDArray[Any]) -> Ints:
    """Replace each value by its index among the sorted distinct values; return ``[N]``.

    Parameters
    ----------
    values
        Symbols ``[N]``, or messages ``[N, d]``, of which each row is one value.

    Raises
    ------
    ValueError
        If `values` is empty.
    """
    if len(values) == 0:
        raise ValueError("There must be at least one dialogue.")
    return np.asarray(np.unique(values, axis=0, return_inverse=True)[1], dtype=np.int64).reshape(-1)


def row_entropies(rows: Ints) -> tuple[Floats, Ints]:
    """Return the plug-in entropy of each row in bits, ``[B]``, and its number of distinct symbols, ``[B]``.

    Shannon (1948, "A mathematical theory of communication"): log2 N - (sum of c log2 c) / N, where the sum is over the
    distinct symbols, and c is the number of times that a symbol occurs. It is exactly 0 for a constant row.

    Parameters
    ----------
    rows
        ``[B, N]``: symbols as integers.
    """
    ordered = np.sort(rows, axis=1)
    first = np.ones(ordered.shape, dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=ordered.size)
    row = starts // rows.shape[1]
    distinct = np.bincount(row, minlength=len(rows)).astype(np.int64)
    sums = np.bincount(row, weights=counts * np.log2(counts), minlength=len(rows))
    return np.where(distinct > 1, np.log2(rows.shape[1]) - sums / rows.shape[1], 0.0), distinct


def row_information(rows: Ints, labels: Ints) -> tuple[Floats, Floats]:
    """Return two estimates of the mutual information of each row with the labels.

    Parameters
    ----------
    rows
        ``[B, N]``: symbols as integers from 0.
    labels
        ``[N]``: label of each case, as integers from 0.

    Returns
    -------
    plug_in : Floats
        ``[B]``: H(row) + H(label) - H(row, label) in bits, between 0 and the smaller of the two entropies.
    miller_madow : Floats
        The same with (m - 1) / 2N nats added to each entropy of m distinct symbols (Miller, 1955,
        "Note on the bias of information estimates"). It can therefore be slightly below 0 or above the entropies.
    """
    own, own_distinct = row_entropies(rows)
    label, label_distinct = row_entropies(labels[None])
    both, both_distinct = row_entropies(labels * (rows.max() + 1) + rows)
    plug_in = np.maximum(own + label - both, 0.0)
    terms = own_distinct + label_distinct - both_distinct - 1
    return plug_in, plug_in + terms / (2 * len(labels) * np.log(2))


def entropy_bits(values: NDArray[Any]) -> float:
    """Return the plug-in entropy, in bits, of symbols ``[N]`` or messages ``[N, d]``: between 0 and log2 N."""
    return float(row_entropies(codes(values)[None])[0][0])


def mutual_information_bits(values: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the plug-in mutual information of symbols ``[N]`` or messages ``[N, d]`` with labels ``[N]``, in bits."""
    return float(row_information(codes(values)[None], codes(labels))[0][0])


def information_test(
    values: NDArray[Any], labels: NDArray[Any], permutations: int, generator: np.random.Generator
) -> Tested:
    """Test the plug-in mutual information, in bits, against permuted labels.

    `Tested.corrected` is the corrected information. It is near 0 if messages carry no information.

    Parameters
    ----------
    values
        Symbols ``[N]`` or messages ``[N, d]``.
    labels
        ``[N]``: label of each case.
    permutations
        Number of permutations P.
    generator
        Random number generator for the permutations; the same seed gives the same null.
    """
    symbols, classes = codes(values), codes(labels)
    null = np.empty(permutations)
    step = max(1, BLOCK // len(symbols))
    for start in range(0, permutations, step):
        part = null[start : start + step]
        shuffled = generator.permuted(np.tile(classes, (len(part), 1)), axis=1)
        part[:] = row_information(shuffled, symbols)[0]
    return against_null(mutual_information_bits(values, labels), null)


def as_bits(messages: NDArray[Any]) -> Ints:
    """Convert messages of zeros and ones, ``[N, d]``, to integers.

    Raises
    ------
    ValueError
        If there are no messages, or if a value is neither 0 nor 1, as with continuous messages.
    """
    if messages.ndim != 2 or len(messages) == 0:
        raise ValueError("Messages must be the rows of a table with at least one row.")
    if not np.isin(messages, (0, 1)).all():
        raise ValueError("Metrics of single bits need binary messages; these have values other than 0 and 1.")
    return messages.astype(np.int64)


def bit_use(messages: NDArray[Any]) -> Floats:
    """Return, for each of the d bits, the fraction of the messages ``[N, d]`` in which the bit is 1."""
    return np.asarray(as_bits(messages).mean(axis=0))


def bit_entropies(messages: NDArray[Any]) -> Floats:
    """Return the plug-in entropy of each of the d bits of messages ``[N, d]``: 0 if constant, 1 if half are 1.

    It measures how much a bit varies between images. In contrast, `message_entropy_bits` measures how uncertain an
    agent is about its message for one image.
    """
    return row_entropies(as_bits(messages).T)[0]


def dead_bits(messages: NDArray[Any]) -> NDArray[np.bool_]:
    """Return, for each of the d bits, whether the bit is the same in all messages ``[N, d]``."""
    return np.asarray(np.ptp(as_bits(messages), axis=0) == 0)


def bit_information(messages: NDArray[Any], labels: NDArray[Any]) -> Floats:
    """Return the mutual information of each bit with the class, ``[d]``, in bits (Miller–Madow estimate).

    It is exactly 0 for a constant bit, and can be slightly below 0 for an independent bit (see `row_information`).

    Parameters
    ----------
    messages
        ``[N, d]``: messages as bits.
    labels
        ``[N]``: class of each dialogue.
    """
    return row_information(as_bits(messages).T, codes(labels))[1]


def distinct_fraction(messages: NDArray[Any]) -> float:
    """Return the number of distinct messages divided by N, given messages ``[N, d]``: 1 if all differ."""
    return float((codes(messages).max() + 1) / len(messages))


def message_entropy_bits(probabilities: NDArray[np.floating]) -> Floats:
    """Return the entropy of an agent's message given the agent's inputs, ``[...]``, in bits.

    It is the sum over the bits, which are sampled independently. It measures the agent's uncertainty about one message
    (0 = every bit is certain, d = every bit has probability 1/2), not how much messages vary between images.

    Parameters
    ----------
    probabilities
        ``[..., d]``: probability that each bit is 1.

    Raises
    ------
    ValueError
        If a value is not between 0 and 1, as with continuous messages.
    """
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("Bit probabilities must lie between 0 and 1; continuous messages have no entropy of bits.")
    p = probabilities.astype(np.float64)
    return np.asarray(-(xlogy(p, p) + xlogy(1 - p, 1 - p)).sum(axis=-1) / np.log(2))


def prediction_entropy_bits(scores: NDArray[np.floating]) -> Floats:
    """Return the entropy, in bits, of the softmax over the candidates, ``[...]``: 0 = certain, log2 K = uniform.

    Parameters
    ----------
    scores
        ``[..., K]``: scores of the candidates.
    """

    def entropy(some: NDArray[np.floating]) -> tuple[Floats]:
        logs = log_probabilities(some)
        return (-(np.exp(logs) * logs).sum(axis=1) / np.log(2),)

    return by_case(entropy, scores)[0]


def information_gained(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Return the information about the class that the Receiver gains at each exchange, ``[N, T]``, in bits.

    The gain is log2 p(true class) after the exchange minus log2 p(true class) before it. Before the first exchange, all
    K candidates are equally likely. The gains of a dialogue sum to log2 K plus the final log2 p(true class). The gain
    is not biased if there are few dialogues, because no entropy is estimated. It is negative if the Receiver becomes
    less certain of the true class. Exchanges after the stop also have a gain.

    Parameters
    ----------
    scores
        ``[N, T, K]``: scores of the candidates after each exchange.
    targets
        ``[N]``: index of the true class among the candidates.
    """
    known = -nll_nats(scores, targets[:, None]) / np.log(2)
    before = np.full((len(targets), 1), -np.log2(scores.shape[2]))
    return np.diff(known, axis=1, prepend=before)


def message_information(
    messages: NDArray[Any],
    targets: Ints,
    talking: NDArray[np.bool_],
    permutations: int,
    generator: np.random.Generator,
) -> list[Tested | None]:
    """Test the mutual information of the Sender's message and the class, separately for each exchange.

    Parameters
    ----------
    messages
        ``[N, T, d]``: messages as bits.
    targets
        ``[N]``: index of the true class among the candidates.
    talking
        ``[N, T]``: whether the dialogue is active when exchange t begins; other messages are ignored.
    permutations, generator
        As in `information_test`.

    Returns
    -------
    list[Tested | None]
        One test per exchange; None if no dialogue is active at the exchange.
    """
    return [
        information_test(messages[on, t], targets[on], permutations, generator) if on.any() else None
        for t, on in enumerate(talking.T)
    ]
