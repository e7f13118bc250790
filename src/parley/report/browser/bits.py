"""Statistics of each bit of the Sender's last message over all dialogues of a split.

Letters of shapes: K candidates, d bits.
"""

import numpy as np

from parley.metrics.bits import bit_information
from parley.metrics.conversations import Conversations
from parley.metrics.information import entropy_bits
from parley.report.browser.talks import Arrays


def bit_bytes(bits: int, candidates: int, continuous: bool) -> int:
    """Return the size of `bit_arrays` in bytes."""
    return 4 * candidates + (0 if continuous else 4 * candidates * bits + 4 * bits)


def bit_arrays(said: Conversations) -> tuple[Arrays, float]:
    """Return each bit's rate per class, its information about the class, and the entropy of the classes, in bits.

    Returns
    -------
    dict
        `class_count` [K]: conversations about each class; and where messages are bits, `class_ones` [K, d]: of
        those, how many have the bit at 1 when they stop, and `information` [d] in bits, with the correction of
        Miller and Madow.
    float
        What a message that tells the class would tell.
    """
    count = np.bincount(said.targets, minlength=len(said.labels))
    arrays: Arrays = {"class_count": count.astype(np.uint32)}
    if said.binary:
        messages = said.final_messages.astype(np.int64)
        ones = np.zeros((len(said.labels), messages.shape[1]), dtype=np.int64)
        np.add.at(ones, said.targets, messages)
        arrays["class_ones"] = ones.astype(np.uint32)
        arrays["information"] = bit_information(messages, said.targets).astype(np.float32)
    return arrays, entropy_bits(said.targets)
