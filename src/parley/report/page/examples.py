"""Example dialogues and example images of each class, chosen by fixed rules."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from parley.metrics.conversations import Conversations
from parley.metrics.exchanges import hits, log_probabilities
from parley.metrics.pooling import PooledPart, mean_over_seeds

LEADERS = 3
"""Number of candidates shown at each exchange."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A candidate and its probability."""

    label: str
    probability: float
    is_true: bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange: both messages as bits, the best candidates, and the probability to go on."""

    number: int
    sender: list[int]
    receiver: list[int]
    leaders: list[Guess]
    go_on_probability: float


@dataclass(frozen=True, slots=True)
class Example:
    """One dialogue up to its stop, and why it is shown."""

    why: str
    key: str
    true_class: str
    predicted_class: str
    right: bool
    exchanges: list[Exchange]


def choose_examples(conversations: Conversations) -> list[Example]:
    """Choose up to four dialogues: quickest correct, correct after a change, longest, most confident mistake.

    The rule is the same for every run, so that nobody picks the flattering ones; ties go to the first image.
    """
    if not conversations.finite or not conversations.binary:
        return []
    right = hits(conversations.final_scores, conversations.targets, 1) == 1
    sureness = log_probabilities(conversations.final_scores).max(axis=-1)
    first_guess = conversations.scores[:, 0].argmax(axis=-1)
    lengths = conversations.lengths
    rules = (
        ("Right, and quickly", right, sureness - 1e3 * lengths),
        ("Right after a change of mind", right & (first_guess != conversations.targets), sureness),
        ("The longest", np.ones_like(right), lengths + 1e-3 * sureness),
        ("The surest mistake", ~right, sureness),
    )
    chosen: dict[int, str] = {}
    for why, eligible, merit in rules:
        open_to = [row for row in np.flatnonzero(eligible).tolist() if row not in chosen]
        if open_to:
            chosen[max(open_to, key=lambda row: (merit[row], -row))] = why
    return [_example(conversations, row, why) for row, why in chosen.items()]


def _example(conversations: Conversations, row: int, why: str) -> Example:
    probabilities = np.exp(log_probabilities(conversations.scores[row]))
    length = int(conversations.lengths[row])
    target = int(conversations.targets[row])
    exchanges = []
    for t in range(length):
        order = np.argsort(-probabilities[t], kind="stable")[:LEADERS].tolist()
        leaders = [Guess(conversations.labels[c], float(probabilities[t, c]), c == target) for c in order]
        exchanges.append(
            Exchange(
                number=t + 1,
                sender=conversations.sender_messages[row, t].tolist(),
                receiver=conversations.receiver_messages[row, t].tolist(),
                leaders=leaders,
                go_on_probability=float(conversations.go_on_probabilities[row, t]),
            )
        )
    predicted = exchanges[-1].leaders[0].label
    return Example(
        why=why,
        key=conversations.keys[row],
        true_class=conversations.labels[target],
        predicted_class=predicted,
        right=predicted == conversations.labels[target],
        exchanges=exchanges,
    )


CLASS_SIDE_PX = 80


@dataclass(frozen=True, slots=True)
class ClassLine:
    """A class: the key of its example, and mean length (exchanges) and accuracy@1 over seeds."""

    label: str
    key: str | None
    length: float
    accuracy: float


def class_lines(part: PooledPart, examples: Mapping[str, str]) -> list[ClassLine]:
    """Return the classes that have images, those with the longest conversations first, as their figure has them.

    Parameters
    ----------
    part
        What a run's seeds found.
    examples
        Class → key of an image of it.
    """
    lengths, accuracies = mean_over_seeds(part.class_length), mean_over_seeds(part.class_accuracy)
    order = [int(c) for c in np.argsort(-lengths, kind="stable") if np.isfinite(lengths[c])]
    return [
        ClassLine(part.labels[c], examples.get(part.labels[c]), float(lengths[c]), float(accuracies[c])) for c in order
    ]


def first_of_each_class(conversations: Conversations) -> dict[str, str]:
    """Return the key of each class's first image in a file of conversations: a rule, so that nobody picks."""
    found: dict[str, str] = {}
    for key, target in zip(conversations.keys, conversations.targets.tolist(), strict=True):
        found.setdefault(conversations.labels[target], key)
    return found


def small(jpeg: bytes) -> bytes:
    """Return a JPEG made smaller, cut to a square of `CLASS_SIDE_PX` from its middle."""
    with Image.open(io.BytesIO(jpeg)) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.convert("RGB").crop((left, top, left + side, top + side)).resize((CLASS_SIDE_PX, CLASS_SIDE_PX))
    stream = io.BytesIO()
    square.save(stream, "JPEG", quality=75, optimize=True)
    return stream.getvalue()
