"""Entropy, and mutual information of messages and classes, in bits.

Shapes: N dialogues, B rows measured at once, P permutations, d bits per message.

The plug-in estimate uses frequencies as probabilities. For few dialogues it underestimates entropy and overestimates
information: messages of 32 random bits are all distinct, each seems to identify its class, and the plug-in estimate is
the whole entropy of the classes (log2 N where each dialogue has a class of its own). Miller and Madow's
correction works if most distinct values occur several times, and fails for such messages. Subtracting the mean over
shuffled labels works for them too and gives 0.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from parley.metrics.exchanges import Floats, Ints, by_case, log_probabilities, nll_nats
from parley.metrics.permutation import p_at_least

BLOCK = 2**21
"""Number of symbols permuted at once, to limit memory."""
ROUNDING = 1e-9
"""In bits: values that differ less are equal, because terms are added in another order."""


class RowInformation(NamedTuple):
    """Mutual information of each row with the labels, in bits [B]."""

    plug_in: Floats
    miller_madow: Floats


class InformationTest(NamedTuple):
    """Mutual information against what it is when labels are shuffled, in bits."""

    plug_in: float
    shuffle_corrected: float
    """The plug-in minus its mean over shuffled labels; near 0 if messages carry no information."""
    p: float
    """How often shuffled labels give as much."""
    null: Floats
    """The plug-in with shuffled labels [P]."""


def codes(values: NDArray[Any]) -> Ints:
    """Return each case's number among the distinct values, from 0 in their order [N].

    Parameters
    ----------
    values
        Symbols [N], or messages whose rows are the values [N, d].

    Raises
    ------
    ValueError
        When there is no case.
    """
    if len(values) == 0:
        raise ValueError("Without a conversation there is nothing to measure.")
    return np.asarray(np.unique(values, axis=0, return_inverse=True)[1], dtype=np.int64).reshape(-1)


def row_entropies(rows: Ints) -> tuple[Floats, Ints]:
    """Return the plug-in entropy of each row in bits [B], exactly 0 for a constant, and its distinct symbols [B].

    Shannon (1948, "A mathematical theory of communication"). With c cases of a symbol, the entropy is
    log2 N - sum of c log2 c / N.

    Parameters
    ----------
    rows
        Symbols as integers [B, N].
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


def row_information(rows: Ints, labels: Ints) -> RowInformation:
    """Measure the mutual information of each row with the labels.

    The plug-in is H(row) + H(label) - H(row, label), 0 at least and at most the smaller of the two entropies.
    Miller and Madow add (m - 1) / 2N nats to an entropy of m distinct symbols (Miller, 1955, "Note on the bias of
    information estimates"); their information can therefore be a little below 0 or above the entropies.

    Parameters
    ----------
    rows
        Symbols as integers from 0 [B, N].
    labels
        One label a case, as integers from 0 [N].
    """
    own, own_distinct = row_entropies(rows)
    label, label_distinct = row_entropies(labels[None])
    both, both_distinct = row_entropies(labels * (rows.max() + 1) + rows)
    plug_in = np.maximum(own + label - both, 0.0)
    terms = own_distinct + label_distinct - both_distinct - 1
    return RowInformation(plug_in, plug_in + terms / (2 * len(labels) * np.log(2)))


def entropy_bits(values: NDArray[Any]) -> float:
    """Return the plug-in entropy of symbols [N] or of messages [N, d], in bits: 0 = all the same, log2 N at most."""
    return float(row_entropies(codes(values)[None])[0][0])


def mutual_information_bits(values: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the plug-in mutual information of symbols [N] or messages [N, d] and labels [N], in bits."""
    return float(row_information(codes(values)[None], codes(labels)).plug_in[0])


def miller_madow_bits(values: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the mutual information as `mutual_information_bits` does, with the correction of Miller and Madow."""
    return float(row_information(codes(values)[None], codes(labels)).miller_madow[0])


def information_null(
    values: NDArray[Any], labels: NDArray[Any], permutations: int, generator: np.random.Generator
) -> Floats:
    """Return the plug-in mutual information with the labels shuffled, in bits [P].

    Parameters
    ----------
    values
        Symbols [N] or messages [N, d].
    labels
        One label a case [N].
    permutations
        Number of permutations P.
    generator
        Random generator; the same seed gives the same null.
    """
    symbols, classes = codes(values), codes(labels)
    null = np.empty(permutations)
    step = max(1, BLOCK // len(symbols))
    for start in range(0, permutations, step):
        part = null[start : start + step]
        shuffled = generator.permuted(np.tile(classes, (len(part), 1)), axis=1)
        part[:] = row_information(shuffled, symbols).plug_in
    return null


def information_test(
    values: NDArray[Any], labels: NDArray[Any], permutations: int, generator: np.random.Generator
) -> InformationTest:
    """Compare the mutual information with that of shuffled labels; the parameters are those of `information_null`."""
    found = mutual_information_bits(values, labels)
    null = information_null(values, labels, permutations, generator)
    return InformationTest(found, found - float(null.mean()), p_at_least(found, null, ROUNDING), null)


Bools = NDArray[np.bool_]


def as_bits(messages: NDArray[Any]) -> Ints:
    """Return messages as integers [N, d].

    Raises
    ------
    ValueError
        If there is no message, or a value is neither 0 nor 1, as with continuous messages.
    """
    if messages.ndim != 2 or len(messages) == 0:
        raise ValueError("Messages must be the rows of a table, one at least.")
    if not np.isin(messages, (0, 1)).all():
        raise ValueError("Only messages of bits can be measured bit by bit; these hold other values than 0 and 1.")
    return messages.astype(np.int64)


def bit_use(messages: NDArray[Any]) -> Floats:
    """Return the fraction of messages [N, d] in which each bit is 1 [d]."""
    return np.asarray(as_bits(messages).mean(axis=0))


def bit_entropies(messages: NDArray[Any]) -> Floats:
    """Return the entropy of each bit over the messages [N, d], in bits [d]: 0 = never changes, 1 = half are 1.

    Plug-in estimate; see `information`. It measures how much a bit differs between images;
    `message_entropy_bits` measures how uncertain the agent is about one image.
    """
    return row_entropies(as_bits(messages).T)[0]


def dead_bits(messages: NDArray[Any]) -> Bools:
    """Return for each bit whether it is the same in all messages [N, d], and so carries nothing [d]."""
    return np.asarray(np.ptp(as_bits(messages), axis=0) == 0)


def bit_information(messages: NDArray[Any], labels: NDArray[Any]) -> Floats:
    """Return the mutual information of each bit with the class, in bits [d] (Miller–Madow).

    Exactly 0 for a dead bit; slightly below 0 for an independent bit (see `row_information`).

    Parameters
    ----------
    messages
        Bits [N, d].
    labels
        Class of each dialogue [N].
    """
    return row_information(as_bits(messages).T, codes(labels)).miller_madow


def distinct_fraction(messages: NDArray[Any]) -> float:
    """Return the number of distinct messages over the number of messages [N, d]: 1 / N = always the same, 1 = never."""
    return float((codes(messages).max() + 1) / len(messages))


def message_entropy_bits(probabilities: NDArray[np.floating]) -> Floats:
    """Return the entropy of an agent's message given all it has seen, in bits [...]: the sum over its independent bits.

    This is the agent's uncertainty about one message (0 = every bit is certain, d = every bit is a fair coin), not
    how much messages differ between images.

    Parameters
    ----------
    probabilities
        Probability that each bit is 1 [..., d].

    Raises
    ------
    ValueError
        When a value is not a probability, as with continuous messages.
    """
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("Bit probabilities must lie between 0 and 1; continuous messages have no such entropy.")
    p = probabilities.astype(np.float64)
    return np.asarray(-(xlogy(p, p) + xlogy(1 - p, 1 - p)).sum(axis=-1) / np.log(2))


def prediction_entropy_bits(scores: NDArray[np.floating]) -> Floats:
    """Return the entropy of the softmax over the candidates, in bits [...]: 0 = certain, log2 K = knows nothing.

    Parameters
    ----------
    scores
        Scores of the candidates [..., K].
    """

    def entropy(some: NDArray[np.floating]) -> tuple[Floats]:
        logs = log_probabilities(some)
        return (-(np.exp(logs) * logs).sum(axis=1) / np.log(2),)

    return by_case(entropy, scores)[0]


def information_gained(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Return the bits gained at each exchange [N, T], also for exchanges after the stop.

    Parameters
    ----------
    scores
        Scores of the candidates after each exchange [N, T, K].
    targets
        Column of the true class [N].
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
) -> list[InformationTest | None]:
    """Measure the mutual information of the Sender's message at each exchange with the class.

    Parameters
    ----------
    messages
        Bits [N, T, d].
    targets
        Column of the true class [N].
    talking
        Whether the dialogue is still on when exchange t begins [N, T]; only such messages count.
    permutations, generator
        Of the null, as in `information_null`.

    Returns
    -------
    list[InformationTest | None]
        One entry per exchange; None if no dialogue is active.
    """
    return [
        information_test(messages[on, t], targets[on], permutations, generator) if on.any() else None
        for t, on in enumerate(talking.T)
    ]
