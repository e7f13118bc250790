"""Transcripts of dialogues, exchange by exchange, for display in a terminal.

Shapes: T exchanges, B images, d bits of a message, K candidates.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from parley.game.types import Dialogue
from parley.metrics.exchanges import distances, log_probabilities

BARS = "▁▂▃▄▅▆▇█"
LETTER_BITS = 5
"""Number of bits represented by one letter."""
LEADERS = 3
"""Number of best candidates shown at each exchange."""

Numbers = NDArray[np.floating[Any]]


def dialogue_of(dialogues: Dialogue, row: int) -> Dialogue:
    """Return the dialogue about one image of a batch. Its fields, ``[T, ...]``, have no image axis."""
    return Dialogue(*(field[:, row].detach().cpu() for field in dialogues))


def sample_dialogues(
    dialogues: Dialogue,
    target_index: Tensor,
    labels: Sequence[str],
    rows: Sequence[int],
    keys: Sequence[str] | None = None,
    as_letters: bool = False,
) -> str:
    """Return the dialogues about some images of a batch as text, separated by blank lines.

    Parameters
    ----------
    dialogues
        Dialogues about B images.
    target_index
        ``[B]``: index of each image's class among the candidates.
    labels
        Names of the K candidates.
    rows
        Rows in the batch of the images to show; rows outside the batch are skipped.
    keys
        Keys of the images. If None, row numbers are shown instead.
    as_letters
        Whether to write messages as letters, of five bits each.
    """
    return "\n".join(
        transcript(
            dialogue_of(dialogues, row),
            labels,
            int(target_index[row]),
            str(row) if keys is None else keys[row],
            as_letters,
        )
        for row in rows
        if 0 <= row < len(target_index)
    )


def transcript(dialogue: Dialogue, labels: Sequence[str], target: int, key: str, as_letters: bool = False) -> str:
    """Return one dialogue as text, up to its last exchange.

    The first line shows the image's key, its class and the Receiver's answer. The following lines show, for each
    exchange, the Sender's message, the Receiver's message and the best candidates. A message is shown in three
    parts: a bar per bit for its probability; the bits; and the number of bits that differ from the agent's previous
    message, or from zeros for its first message.

    Parameters
    ----------
    dialogue
        Result of `dialogue_of`.
    labels
        Names of the K candidates.
    target
        Index of the true class among the candidates. This class is marked with `*`.
    key
        The image's key.
    as_letters
        Whether to write messages as letters, of five bits each.
    """
    length, scores = int(dialogue.active.sum()), dialogue.scores.numpy()
    answer = labels[int(scores[length - 1].argmax())]
    outcome = "right" if answer == labels[target] else f"wrong: named {answer}"
    lines = [f"{key}  {labels[target]}  {outcome}, {length} of at most {len(scores)} exchanges"]
    sender = _messages(dialogue.sender_probs, dialogue.sender_bits, as_letters)
    receiver = _messages(dialogue.receiver_probs, dialogue.receiver_bits, as_letters)
    for t, prob in enumerate(dialogue.go_on_probs[:length].tolist()):
        decision = "goes on" if t + 1 < length else "stops"
        lines.append(f"  {t + 1:>2}  S {next(sender)}")
        lines.append(f"      R {next(receiver)}  go on {sparkline([prob])} {prob:.2f}: {decision}")
        lines.append(f"      {_leaders(scores[t], labels, target)}")
    return "\n".join(lines) + "\n"


def _messages(probs: Tensor, bits: Tensor, as_letters: bool) -> Iterator[str]:
    """Yield the text of an agent's message for each exchange."""
    changes = distances(bits[:, None].numpy())[:, 0]
    for prob, message, change in zip(probs.numpy(), bits.numpy(), changes, strict=True):
        if not is_binary(message):
            yield f"{' '.join(f'{value:+.2f}' for value in message)}  {change:6.2f}"
        else:
            text = letters(message) if as_letters else "".join(str(int(bit)) for bit in message)
            yield f"{sparkline(prob)}  {text}  {int(change):>3}"


def _leaders(scores: Numbers, labels: Sequence[str], target: int) -> str:
    probs = np.exp(log_probabilities(scores)) if np.isfinite(scores).all() else np.full(len(scores), np.nan)
    best = np.argsort(-scores, kind="stable")[:LEADERS].tolist()
    return "  ".join(f"{'*' if one == target else ''}{labels[one]} {probs[one]:.2f}" for one in best)


def sparkline(probs: Sequence[float] | Numbers) -> str:
    """Return one bar per probability, in one of eight heights, or `?` for a value that is not finite."""
    top = len(BARS) - 1
    return "".join(
        BARS[min(max(int(prob * len(BARS)), 0), top)] if np.isfinite(prob) else "?" for prob in map(float, probs)
    )


def letters(bits: Sequence[float] | Numbers) -> str:
    """Return a message as letters of five bits each, most significant bit first: 00000 is A, 11001 is Z.

    Values from 26 to 31 are written as the characters after Z in ASCII. The last letter may represent fewer bits.

    Examples
    --------
    >>> letters([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0])
    'B ` C'
    """
    values = np.asarray(bits)
    if not is_binary(values):
        raise ValueError("Only messages of bits can be written as letters.")
    groups = (values[start : start + LETTER_BITS] for start in range(0, len(values), LETTER_BITS))
    return " ".join(chr(ord("A") + int("".join(str(int(bit)) for bit in group), 2)) for group in groups)


def bits_of(text: str, count: int) -> list[int]:
    """Return the bits of a message given as letters; the inverse of `letters`.

    Parameters
    ----------
    text
        Letters; spaces are ignored.
    count
        Number of bits of the message, which determines the number of bits that the last letter represents.
    """
    sizes = [min(LETTER_BITS, count - start) for start in range(0, count, LETTER_BITS)]
    values = [ord(letter) - ord("A") for letter in text.replace(" ", "")]
    if len(values) != len(sizes) or any(not 0 <= value < 2**size for value, size in zip(values, sizes, strict=False)):
        raise ValueError(f"{text!r} is not a message of {count} bits.")
    return [int(bit) for value, size in zip(values, sizes, strict=True) for bit in f"{value:0{size}b}"]


def is_binary(values: Numbers) -> bool:
    """Return whether all values of a message are 0 or 1."""
    return bool(np.isin(values, (0, 1)).all())
