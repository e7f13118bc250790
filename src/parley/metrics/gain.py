"""Information about the class that the Receiver gains at each exchange, in bits.

The gain is log2 p(true class) after the exchange minus log2 p before it; before the first exchange all K candidates are
equally likely. Over a dialogue it sums to log2 K minus the final surprisal. It needs no entropy estimate, so few
dialogues do not bias it. It is negative if the Receiver becomes more certain of a wrong class.

Shapes: N dialogues, T exchanges, K candidates.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.metrics.information import InformationTest, information_test
from parley.metrics.ranking import Floats, Ints, nll_nats


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
        Of the null, as in `information.information_null`.

    Returns
    -------
    list[InformationTest | None]
        One entry per exchange; None if no dialogue is active.
    """
    return [
        information_test(messages[on, t], targets[on], permutations, generator) if on.any() else None
        for t, on in enumerate(talking.T)
    ]
