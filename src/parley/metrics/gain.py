"""What the Receiver comes to know of the class at each exchange, in bits.

The measure is the answer's own: log2 p(true class) after the exchange, less log2 p before it, where before the first
exchange all K candidates are as likely. It adds up over a conversation to log2 K less the final surprise, and needs no
estimate of an entropy, so that few conversations do not bias it. A Receiver that grows surer of a wrong class loses
bits.

Letters of shapes: N conversations, T exchanges, K candidates.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.metrics.information import InformationTest, information_test
from parley.metrics.ranking import Floats, Ints, nll_nats


def information_gained(scores: NDArray[np.floating], targets: Ints) -> Floats:
    """Return the bits that each exchange adds [N, T]; of exchanges after the stop, what they would have added.

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
    """Measure what the Sender's message of each exchange tells of the class by itself.

    Parameters
    ----------
    messages
        Bits [N, T, d].
    targets
        Column of the true class [N].
    talking
        Whether the conversation is still on when exchange t begins [N, T]; only such messages count.
    permutations, generator
        Of the null, as of `information.information_null`.

    Returns
    -------
    list[InformationTest | None]
        An entry an exchange; None where nobody talks any more.
    """
    return [
        information_test(messages[on, t], targets[on], permutations, generator) if on.any() else None
        for t, on in enumerate(talking.T)
    ]
