"""What a run's messages are as a language: the content of its language.json.

Each conversation counts with the Sender's last message, the one that the answer was given to. Letters of shapes:
N conversations, T exchanges, d bits a message, K candidates, E width of a description's vector, F features of an image,
A attributes.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from parley.metrics.answers import answer_tests
from parley.metrics.bits import bit_entropies, bit_information, bit_use, dead_bits, distinct_fraction
from parley.metrics.calibration import calibration_tests
from parley.metrics.context_independence import independence_test
from parley.metrics.conversations import Conversations
from parley.metrics.disentanglement import bag_of_symbols_test, positional_test
from parley.metrics.gain import information_gained, message_information
from parley.metrics.hamming import distances
from parley.metrics.information import entropy_bits, information_test
from parley.metrics.ranking import hits
from parley.metrics.topographic import mantel, mantel_of_classes

PERMUTATIONS = 1000
"""Of labels or looks over the conversations, or of meanings over the classes, for each null."""
MOST_CONVERSATIONS = 2000
"""More are sampled down to so many, as pairs grow with their square."""
NULL_QUANTILE = 0.95
"""Of a null, told beside its mean: a measure beyond it has a one-sided p below 0.05. Where less is better, it is the
quantile from the other end."""
UNITS = {
    "accuracy@1": "fraction",
    "accuracy@k": "fraction",
    "macro_f1": "fraction",
    "information_gained": "bits",
    "stop_calibration_error": "fraction",
    "stop_brier": "fraction",
    "distinct_messages": "fraction",
    "message_entropy": "bits",
    "class_entropy": "bits",
    "information": "bits",
    "information_corrected": "bits",
    "dead_bits": "bits",
    "topographic_similarity": "Spearman's rho",
    "topographic_similarity_features": "Spearman's rho",
    "positional_disentanglement": "fraction",
    "bag_of_symbols_disentanglement": "fraction",
    "context_independence": "fraction",
}
"""Every measure with its unit."""
EXCHANGE_UNITS = {
    "information_gained": "bits",
    "information_corrected": "bits",
    "hamming_sender": "bits",
    "hamming_receiver": "bits",
}
"""What is measured exchange by exchange."""
NULLS = (
    "accuracy@1",
    "accuracy@k",
    "macro_f1",
    "stop_calibration_error",
    "stop_brier",
    "information",
    "topographic_similarity",
    "topographic_similarity_features",
    "positional_disentanglement",
    "bag_of_symbols_disentanglement",
    "context_independence",
)
"""Measures that have a permutation null, and so a p-value."""


class Meanings(NamedTuple):
    """What messages are about, in the ways in which it is known."""

    descriptions: NDArray[np.floating]
    """A vector for each candidate [K, E]."""
    features: NDArray[np.floating] | None = None
    """Of each conversation's image [N, F]."""
    attributes: NDArray[np.int64] | None = None
    """Value of each attribute of each candidate, as whole numbers [K, A]."""


class _Test(Protocol):
    """A measure with its p-value and null."""

    @property
    def p(self) -> float: ...

    @property
    def null(self) -> NDArray[Any]: ...


def measure_language(conversations: Conversations, meanings: Meanings, k: int, seed: int = 0) -> dict[str, Any]:
    """Measure what was said on one part.

    Parameters
    ----------
    conversations
        What was recorded.
    meanings
        What it was about.
    k
        Of accuracy@k; more than there are candidates counts as all of them.
    seed
        Of the permutations, and of the sample where there are more than `MOST_CONVERSATIONS`.

    Returns
    -------
    dict[str, Any]
        JSON-able: ``n`` and ``n_sampled`` conversations, ``permutations``; ``measures``, by the names of `UNITS`;
        ``p`` and ``null``, of `NULLS`, the latter with its mean and its `NULL_QUANTILE`; ``bits``, a list a bit of how
        often it is 1 (``use``), its ``entropy`` and its ``information`` on the class (Miller–Madow); ``exchanges``,
        lists with a value an exchange. What cannot be measured is None: of continuous messages, all that needs bits;
        where nothing varies, the similarity; where numbers are not finite, everything.
    """
    generator = np.random.default_rng(seed)
    sampled = _sample(len(conversations.keys), generator)
    found: dict[str, Any] = {
        "n": len(conversations.keys),
        "n_sampled": len(sampled),
        "permutations": PERMUTATIONS,
        "measures": dict.fromkeys(UNITS),
        "p": dict.fromkeys(NULLS),
        "null": dict.fromkeys(NULLS),
        "bits": None,
        "exchanges": None,
    }
    if not conversations.finite:
        return found
    _measure_answers(found, conversations, k, generator)
    _measure_likeness(found, conversations, meanings, sampled, generator)
    if conversations.binary:
        _measure_bits(found, conversations, sampled, generator)
        if meanings.attributes is not None:
            _measure_attributes(found, conversations, meanings.attributes, sampled, generator)
    found["exchanges"] = _by_exchange(conversations, sampled, generator)
    return found


def _sample(count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows that are measured, in their order."""
    if count <= MOST_CONVERSATIONS:
        return np.arange(count)
    return np.sort(generator.choice(count, MOST_CONVERSATIONS, replace=False))


def _note(found: dict[str, Any], metric: str, value: float, test: _Test, less_is_better: bool = False) -> None:
    """Write down a measure that has a null."""
    found["measures"][metric] = float(value)
    found["p"][metric] = float(test.p)
    high = float(np.quantile(test.null, 1 - NULL_QUANTILE if less_is_better else NULL_QUANTILE))
    found["null"][metric] = {"mean": float(np.mean(test.null)), "high": high}


def _measure_answers(
    found: dict[str, Any], conversations: Conversations, k: int, generator: np.random.Generator
) -> None:
    """Measure what concerns the answers, and the Receiver's sense of when it knows enough."""
    scores, targets = conversations.final_scores, conversations.targets
    tests = answer_tests(scores, targets, k, PERMUTATIONS, generator)
    for metric, test in zip(("accuracy@1", "accuracy@k", "macro_f1"), tests, strict=True):
        _note(found, metric, test.value, test)
    talking = conversations.talking
    found["measures"]["information_gained"] = float(information_gained(scores[:, None], targets).mean())
    if talking.all():
        return  # Nobody ever stopped early: either nobody decides, or there is nothing to compare.
    right = hits(conversations.scores, np.broadcast_to(targets[:, None], talking.shape), 1)
    # The probability to stop is told as if it were one to be right; only exchanges that were made count.
    confidence = 1 - conversations.go_on_probabilities.astype(np.float64)
    calibration = calibration_tests(confidence, right, talking, PERMUTATIONS, generator)
    _note(found, "stop_calibration_error", calibration.error.value, calibration.error, less_is_better=True)
    _note(found, "stop_brier", calibration.brier.value, calibration.brier, less_is_better=True)


def _measure_likeness(
    found: dict[str, Any],
    conversations: Conversations,
    meanings: Meanings,
    sampled: NDArray[np.int64],
    generator: np.random.Generator,
) -> None:
    """Measure whether alike things get alike messages: by description, and by looks."""
    messages, targets = conversations.final_messages[sampled], conversations.targets[sampled]
    tests = {
        "topographic_similarity": mantel_of_classes(messages, targets, meanings.descriptions, PERMUTATIONS, generator)
    }
    if meanings.features is not None:
        tests["topographic_similarity_features"] = mantel(messages, meanings.features[sampled], PERMUTATIONS, generator)
    for metric, test in tests.items():
        if test is not None:
            _note(found, metric, test.rho, test)


def _measure_bits(
    found: dict[str, Any], conversations: Conversations, sampled: NDArray[np.int64], generator: np.random.Generator
) -> None:
    """Measure what messages of bits tell of the class, as wholes and bit by bit."""
    messages, targets = conversations.final_messages[sampled], conversations.targets[sampled]
    information = information_test(messages, targets, PERMUTATIONS, generator)
    _note(found, "information", information.plug_in, information)
    found["measures"] |= {
        "distinct_messages": distinct_fraction(messages),
        "message_entropy": entropy_bits(messages),
        "class_entropy": entropy_bits(targets),
        "information_corrected": float(information.shuffle_corrected),
        "dead_bits": float(dead_bits(messages).sum()),
    }
    independence = independence_test(messages, targets, PERMUTATIONS, generator)
    _note(found, "context_independence", independence.value, independence)
    found["bits"] = {
        "use": bit_use(messages).tolist(),
        "entropy": bit_entropies(messages).tolist(),
        "information": bit_information(messages, targets).tolist(),
    }


def _measure_attributes(
    found: dict[str, Any],
    conversations: Conversations,
    attributes: NDArray[np.int64],
    sampled: NDArray[np.int64],
    generator: np.random.Generator,
) -> None:
    """Measure whether single symbols stand for single attributes of the class."""
    messages, targets = conversations.final_messages[sampled], conversations.targets[sampled]
    for metric, disentanglement in (
        ("positional_disentanglement", positional_test),
        ("bag_of_symbols_disentanglement", bag_of_symbols_test),
    ):
        test = disentanglement(messages, targets, attributes, PERMUTATIONS, generator)
        if test is not None:
            _note(found, metric, test.value, test)


def _by_exchange(
    conversations: Conversations, sampled: NDArray[np.int64], generator: np.random.Generator
) -> dict[str, list[float | None] | None]:
    """Measure exchange by exchange, over the conversations that are still on: None where none is."""
    talking = conversations.talking
    gained = information_gained(conversations.scores, conversations.targets)
    result: dict[str, list[float | None] | None] = {
        "information_gained": _while_on(gained, talking),
        "information_corrected": None,
    }
    for agent, messages in (("sender", conversations.sender_messages), ("receiver", conversations.receiver_messages)):
        # The first message has none before it to differ from.
        result[f"hamming_{agent}"] = [
            None,
            *_while_on(distances(messages.swapaxes(0, 1).astype(np.float64)).T, talking)[1:],
        ]
    if conversations.binary:
        told = message_information(
            conversations.sender_messages[sampled],
            conversations.targets[sampled],
            talking[sampled],
            PERMUTATIONS // 5,  # enough for the mean, which is all that is told
            generator,
        )
        result["information_corrected"] = [None if one is None else one.shuffle_corrected for one in told]
    return result


def _while_on(values: NDArray[np.floating], talking: NDArray[np.bool_]) -> list[float | None]:
    """Return the mean over the conversations that are on at each exchange; both are [N, T]."""
    counts, sums = talking.sum(axis=0), (values * talking).sum(axis=0)
    return [float(total / n) if n else None for total, n in zip(sums, counts, strict=True)]
