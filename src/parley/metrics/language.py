"""Compute the metrics of language.json, which describe the messages of a run as a language.

Unless stated otherwise, the message of a dialogue is the Sender's last message, which the Receiver reads before it
answers. The metrics are listed in `parley.metrics.registry`.

Shapes: N dialogues, T exchanges, d bits per message, K candidates, E elements of a description vector, F image
features, A attributes.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.conversations import Conversations
from parley.metrics.disentanglement import bag_of_symbols_test, independence_test, positional_test
from parley.metrics.exchanges import distances, hits
from parley.metrics.information import (
    bit_entropies,
    bit_information,
    bit_use,
    dead_bits,
    distinct_fraction,
    entropy_bits,
    information_gained,
    information_test,
    message_information,
)
from parley.metrics.permutation import Tested, answer_tests, calibration_tests
from parley.metrics.registry import LESS_IS_BETTER, PERMUTATION_TESTED, UNITS
from parley.metrics.topographic import attribute_distances, mantel, mantel_of_classes

PERMUTATIONS = 1000
"""Number of permutations for each null distribution. Each test's docstring says what is permuted."""
MOST_DIALOGUES = 2000
"""Larger splits are subsampled to this number of dialogues, because the number of pairs of dialogues is quadratic."""
NULL_QUANTILE = 0.95
"""Quantile of each null that is reported in addition to its mean. A metric above it has a one-sided p-value below 0.05.
For metrics that are better when lower, the 0.05 quantile is reported instead."""


class Semantics(NamedTuple):
    """Meanings with which messages are compared: class descriptions, image features and class attributes."""

    descriptions: NDArray[np.floating]
    """``[K, E]``: description vector of each candidate."""
    features: NDArray[np.floating] | None = None
    """``[N, F]``: image features of each dialogue; None to skip metrics that need them."""
    attributes: NDArray[np.int64] | None = None
    """``[K, A]``: integer-coded attributes of each candidate; None to skip metrics that need them."""


def measure_language(conversations: Conversations, semantics: Semantics, k: int, seed: int = 0) -> dict[str, Any]:
    """Compute the language metrics of one split.

    Parameters
    ----------
    conversations
        Recorded dialogues of the split.
    semantics
        Meanings with which the messages are compared.
    k
        Value of k in accuracy@k. If it exceeds the number of candidates, accuracy@k is 1.
    seed
        Random seed for the permutations, and for the subsample if there are more than `MOST_DIALOGUES` dialogues.

    Returns
    -------
    dict[str, Any]
        Results that can be written as JSON:

        - ``n``, ``n_sampled``: number of dialogues, and number of dialogues in the subsample
        - ``permutations``: number of permutations for each null
        - ``measures``: value by metric, for all names in `UNITS`
        - ``p``, ``null``: p-value and null by metric, for all names in `PERMUTATION_TESTED`; a null is summarised by
          its ``mean`` and by ``high``, its `NULL_QUANTILE`
        - ``bits``: three lists with one value per bit: the frequency of 1 (``use``), the ``entropy``, and the mutual
          ``information`` with the class (Miller–Madow)
        - ``exchanges``: one list per metric, with one value per exchange

        Values that cannot be computed are None: metrics of bits if messages are continuous; topographic similarity if
        messages or meanings do not vary; all values if scores or messages are not finite.
    """
    generator = np.random.default_rng(seed)
    sampled = _sample(len(conversations.keys), generator)
    found: dict[str, Any] = {
        "n": len(conversations.keys),
        "n_sampled": len(sampled),
        "permutations": PERMUTATIONS,
        "measures": dict.fromkeys(UNITS),
        "p": dict.fromkeys(PERMUTATION_TESTED),
        "null": dict.fromkeys(PERMUTATION_TESTED),
        "bits": None,
        "exchanges": None,
    }
    if not conversations.finite:
        return found
    _measure_answers(found, conversations, k, generator)
    _measure_similarity(found, conversations, semantics, sampled, generator)
    if conversations.binary:
        _measure_bits(found, conversations, sampled, generator)
        if semantics.attributes is not None:
            _measure_attributes(found, conversations, semantics.attributes, sampled, generator)
    found["exchanges"] = _by_exchange(conversations, sampled, generator)
    return found


def _sample(count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the indices of at most `MOST_DIALOGUES` of the dialogues, drawn at random, in ascending order."""
    if count <= MOST_DIALOGUES:
        return np.arange(count)
    return np.sort(generator.choice(count, MOST_DIALOGUES, replace=False))


def record_test(found: dict[str, Any], metric: str, test: Tested | None, less_is_better: bool | None = None) -> None:
    """Store the value, p-value and null of a metric in `found`; do nothing if the test is None.

    If `less_is_better` is None, it is that of the metric's row in the registry.
    """
    if test is None:
        return
    found["measures"][metric] = float(test.value)
    found["p"][metric] = float(test.p)
    is_low = metric in LESS_IS_BETTER if less_is_better is None else less_is_better
    high = float(np.quantile(test.null, 1 - NULL_QUANTILE if is_low else NULL_QUANTILE))
    found["null"][metric] = {"mean": float(np.mean(test.null)), "high": high}


def _measure_answers(
    found: dict[str, Any], conversations: Conversations, k: int, generator: np.random.Generator
) -> None:
    """Compute the accuracy of the answers and the calibration of the decision to stop."""
    scores, targets = conversations.final_scores, conversations.targets
    for metric, test in answer_tests(scores, targets, k, PERMUTATIONS, generator).items():
        record_test(found, metric, test)
    talking = conversations.talking
    found["measures"]["information_gained"] = float(information_gained(scores[:, None], targets).mean())
    if talking.all():
        return  # No dialogue stopped early, so the calibration of stopping is not defined.
    right = hits(conversations.scores, np.broadcast_to(targets[:, None], talking.shape), 1)
    # The probability to stop is interpreted as the Receiver's confidence that its answer is correct.
    confidence = 1 - conversations.go_on_probabilities.astype(np.float64)
    for metric, test in calibration_tests(confidence, right, talking, PERMUTATIONS, generator).items():
        record_test(found, metric, test)


def _measure_similarity(
    found: dict[str, Any],
    conversations: Conversations,
    semantics: Semantics,
    sampled: NDArray[np.int64],
    generator: np.random.Generator,
) -> None:
    """Compute topographic similarity, with respect to descriptions, image features and attributes."""
    messages, targets = conversations.final_messages[sampled], conversations.targets[sampled]
    tests = {
        "topographic_similarity": mantel_of_classes(messages, targets, semantics.descriptions, PERMUTATIONS, generator)
    }
    if semantics.features is not None:
        tests["topographic_similarity_features"] = mantel(
            messages, semantics.features[sampled], PERMUTATIONS, generator
        )
    if semantics.attributes is not None:
        # A separate random stream, so that the nulls of the metrics that follow do not change.
        [own] = generator.spawn(1)
        tests["topographic_similarity_attributes"] = mantel_of_classes(
            messages, targets, semantics.attributes, PERMUTATIONS, own, attribute_distances
        )
    for metric, test in tests.items():
        record_test(found, metric, test)


def _measure_bits(
    found: dict[str, Any], conversations: Conversations, sampled: NDArray[np.int64], generator: np.random.Generator
) -> None:
    """Compute information metrics of binary messages, for whole messages and for each bit."""
    messages, targets = conversations.final_messages[sampled], conversations.targets[sampled]
    information = information_test(messages, targets, PERMUTATIONS, generator)
    record_test(found, "information", information)
    found["measures"] |= {
        "distinct_messages": distinct_fraction(messages),
        "message_entropy": entropy_bits(messages),
        "class_entropy": entropy_bits(targets),
        "information_corrected": information.corrected,
        "dead_bits": float(dead_bits(messages).sum()),
    }
    independence = independence_test(messages, targets, PERMUTATIONS, generator)
    record_test(found, "context_independence", independence)
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
    """Compute disentanglement: whether each symbol encodes a single attribute of the class."""
    messages, targets = conversations.final_messages[sampled], conversations.targets[sampled]
    for metric, disentanglement in (
        ("positional_disentanglement", positional_test),
        ("bag_of_symbols_disentanglement", bag_of_symbols_test),
    ):
        test = disentanglement(messages, targets, attributes, PERMUTATIONS, generator)
        record_test(found, metric, test)


def _by_exchange(
    conversations: Conversations, sampled: NDArray[np.int64], generator: np.random.Generator
) -> dict[str, list[float | None] | None]:
    """Compute metrics of each exchange over the dialogues active at this exchange; None if no dialogue is active."""
    talking = conversations.talking
    gained = information_gained(conversations.scores, conversations.targets)
    result: dict[str, list[float | None] | None] = {
        "information_gained": conversations.mean_while_active(gained),
        "information_corrected": None,
    }
    for agent, messages in (("sender", conversations.sender_messages), ("receiver", conversations.receiver_messages)):
        # The first message has no previous message to compare with.
        changes = distances(messages.swapaxes(0, 1).astype(np.float64)).T
        result[f"hamming_{agent}"] = [None, *conversations.mean_while_active(changes)[1:]]
    if conversations.binary:
        information = message_information(
            conversations.sender_messages[sampled],
            conversations.targets[sampled],
            talking[sampled],
            PERMUTATIONS // 5,  # Only the mean of the null is used. It needs fewer permutations than a quantile.
            generator,
        )
        result["information_corrected"] = [None if test is None else test.corrected for test in information]
    return result
