"""What a run's messages are as a language: the content of its language.json.

Each conversation counts with the Sender's last message, the one that the answer was given to. Letters of shapes:
N conversations, d bits a message, K candidates, E width of a description's vector.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.metrics.bits import bit_entropies, bit_information, bit_use, dead_bits, distinct_fraction
from parley.metrics.calibration import brier_score, expected_calibration_error
from parley.metrics.classes import confusion_matrix
from parley.metrics.classification import macro_f1
from parley.metrics.context_independence import context_independence
from parley.metrics.conversations import Conversations
from parley.metrics.information import entropy_bits, information_test
from parley.metrics.ranking import hits
from parley.metrics.topographic import mantel

PERMUTATIONS = 1000
"""Of labels or meanings over the conversations, for each null."""
MOST_CONVERSATIONS = 2000
"""More are sampled down to so many, as pairs grow with their square."""
UNITS = {
    "macro_f1": "fraction",
    "stop_calibration_error": "fraction",
    "stop_brier": "fraction",
    "distinct_messages": "fraction",
    "message_entropy": "bits",
    "class_entropy": "bits",
    "information": "bits",
    "information_corrected": "bits",
    "dead_bits": "bits",
    "topographic_similarity": "Spearman's rho",
    "context_independence": "fraction",
}
"""Every measure with its unit."""
NULLS = ("information", "topographic_similarity")
"""Measures that have a permutation null, and so a p-value."""


def measure_language(conversations: Conversations, descriptions: NDArray[np.floating], seed: int = 0) -> dict[str, Any]:
    """Measure what was said on one part.

    Parameters
    ----------
    conversations
        What was recorded.
    descriptions
        A vector for each candidate [K, E], which stands for what its class means.
    seed
        Of the permutations, and of the sample where there are more than `MOST_CONVERSATIONS`.

    Returns
    -------
    dict[str, Any]
        JSON-able: ``n`` and ``n_sampled`` conversations, ``permutations``; ``measures``, by the names of `UNITS`, and
        ``p``, of `NULLS`; ``bits``, a list a bit of how often it is 1 (``use``), its ``entropy`` and its
        ``information`` on the class (Miller–Madow). What cannot be measured is None: of continuous messages, all
        that needs bits; where nothing varies, the similarity; where numbers are not finite, everything.
    """
    generator = np.random.default_rng(seed)
    sampled = _sample(len(conversations.keys), generator)
    measures: dict[str, float | None] = dict.fromkeys(UNITS)
    found: dict[str, Any] = {
        "n": len(conversations.keys),
        "n_sampled": len(sampled),
        "permutations": PERMUTATIONS,
        "measures": measures,
        "p": dict.fromkeys(NULLS),
        "bits": None,
    }
    if not conversations.finite:
        return found
    measures |= _of_answers(conversations)
    messages, targets = conversations.final_messages[sampled], conversations.targets[sampled]
    similarity = mantel(messages, descriptions[targets], PERMUTATIONS, generator)
    if similarity is not None:
        measures["topographic_similarity"] = float(similarity.rho)
        found["p"]["topographic_similarity"] = float(similarity.p)
    if conversations.binary:
        information = information_test(messages, targets, PERMUTATIONS, generator)
        found["p"]["information"] = float(information.p)
        measures |= {
            "distinct_messages": distinct_fraction(messages),
            "message_entropy": entropy_bits(messages),
            "class_entropy": entropy_bits(targets),
            "information": float(information.plug_in),
            "information_corrected": float(information.shuffle_corrected),
            "dead_bits": float(dead_bits(messages).sum()),
            "context_independence": context_independence(messages, targets),
        }
        found["bits"] = {
            "use": bit_use(messages).tolist(),
            "entropy": bit_entropies(messages).tolist(),
            "information": bit_information(messages, targets).tolist(),
        }
    return found


def _sample(count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows that are measured, in their order."""
    if count <= MOST_CONVERSATIONS:
        return np.arange(count)
    return np.sort(generator.choice(count, MOST_CONVERSATIONS, replace=False))


def _of_answers(conversations: Conversations) -> dict[str, float | None]:
    """Return what concerns the answers, and the Receiver's sense of when it knows enough."""
    scores, targets = conversations.final_scores, conversations.targets
    talking = conversations.talking
    right = hits(conversations.scores, np.broadcast_to(targets[:, None], talking.shape), 1)
    # The probability to stop is told as if it were one to be right; only exchanges that were made count.
    confidence = 1 - conversations.go_on_probabilities.astype(np.float64)
    return {
        "macro_f1": float(macro_f1(confusion_matrix(scores, targets)).value),
        "stop_calibration_error": expected_calibration_error(confidence[talking], right[talking]),
        "stop_brier": brier_score(confidence[talking], right[talking]),
    }
