"""Conversations as text: what was said exchange by exchange, for a person to read on a terminal.

Letters of shapes: T exchanges, B images, d bits of a message, K candidates.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.exchanges import distances, log_probabilities

if TYPE_CHECKING:
    from parley.game.types import Dialogue

BARS = "▁▂▃▄▅▆▇█"
LETTER_BITS = 5
"""Bits of one letter."""
LEADERS = 3
"""Candidates shown at each exchange."""

Numbers = NDArray[np.floating[Any]]


class Conversation(NamedTuple):
    """One image's dialogue in plain arrays; the names are those of `Dialogue`."""

    sender_bits: Numbers
    """``[T, d]``: 0 and 1, or the numbers of a continuous message."""
    receiver_bits: Numbers
    """``[T, d]``."""
    go_on: Numbers
    """``[T]``: the decision after exchange t, 1 to go on."""
    active: Numbers
    """``[T]``: 1 while the dialogue is still on when exchange t begins."""
    sender_probs: Numbers
    """``[T, d]``: probability of each bit to be 1."""
    receiver_probs: Numbers
    """``[T, d]``."""
    go_on_probs: Numbers
    """``[T]``: probability to go on after exchange t."""
    scores: Numbers
    """``[T, K]``: raw scores of the candidates after exchange t."""

    @property
    def length(self) -> int:
        """Exchanges made."""
        return int(self.active.sum())


def conversation_of(dialogue: "Dialogue", row: int) -> Conversation:
    """Return the dialogue about one image of a batch as plain arrays."""
    columns = (getattr(dialogue, name)[:, row] for name in Conversation._fields)
    return Conversation(*(column.detach().cpu().numpy() for column in columns))


def sample_dialogues(
    dialogue: "Dialogue",
    target_index: Any,
    labels: Sequence[str],
    rows: Sequence[int],
    keys: Sequence[str] | None = None,
    as_letters: bool = False,
) -> str:
    """Return the dialogues about some images of a batch, a blank line between them.

    Parameters
    ----------
    dialogue
        About B images.
    target_index
        ``[B]``: the place of each image's class among the candidates.
    labels
        Names of the K candidates.
    rows
        Images to show; those beyond the batch are left out.
    keys
        The images' keys; by default their numbers in the batch.
    as_letters
        Write five bits as a letter.
    """
    told = [
        transcript(
            conversation_of(dialogue, row),
            labels,
            int(target_index[row]),
            keys[row] if keys is not None else str(row),
            as_letters,
        )
        for row in rows
        if 0 <= row < len(target_index)
    ]
    return "\n".join(told)


def transcript(
    said: Conversation, labels: Sequence[str], place: int, key: str, as_letters: bool = False, leaders: int = LEADERS
) -> str:
    """Return one conversation as text, up to where it stopped.

    A line of what it is about and how it ended; then, for each exchange, the Sender's message, the Receiver's,
    and the best candidates. A message is shown as its bits' probabilities (one bar a bit), the bits, and the
    number of bits that differ from the agent's message before (of the first: that are 1).

    Parameters
    ----------
    said
        The dialogue.
    labels
        Names of the K candidates.
    place
        Place of the true class among them; `*` marks it.
    key
        Of the image.
    as_letters
        Write five bits as a letter.
    leaders
        Candidates shown at each exchange.
    """
    named = labels[int(said.scores[said.length - 1].argmax())]
    outcome = "right" if named == labels[place] else f"wrong: named {named}"
    lines = [f"{key}  {labels[place]}  {outcome}, {said.length} of at most {len(said.active)} exchanges"]
    changes = [distances(messages[:, None])[:, 0] for messages in (said.sender_bits, said.receiver_bits)]
    for t in range(said.length):
        lines += _exchange(said, t, (changes[0][t], changes[1][t]), as_letters)
        lines.append(f"      {_leaders(said.scores[t], labels, place, leaders)}")
    return "\n".join(lines) + "\n"


def _exchange(said: Conversation, t: int, changes: tuple[float, float], as_letters: bool) -> Iterator[str]:
    last = t + 1 == said.length
    prob = float(said.go_on_probs[t])
    sender = _message(said.sender_probs[t], said.sender_bits[t], changes[0], as_letters)
    receiver = _message(said.receiver_probs[t], said.receiver_bits[t], changes[1], as_letters)
    yield f"  {t + 1:>2}  S {sender}"
    yield f"      R {receiver}  go on {sparkline([prob])} {prob:.2f}: {'stops' if last else 'goes on'}"


def _message(probs: Numbers, bits: Numbers, change: float, as_letters: bool) -> str:
    if not _binary(bits):
        return f"{' '.join(f'{value:+.2f}' for value in bits)}  {change:6.2f}"
    text = letters(bits) if as_letters else "".join(str(int(bit)) for bit in bits)
    return f"{sparkline(probs)}  {text}  {int(change):>3}"


def _leaders(scores: Numbers, labels: Sequence[str], place: int, leaders: int) -> str:
    probs = np.exp(log_probabilities(scores)) if np.isfinite(scores).all() else np.full(len(scores), np.nan)
    best = np.argsort(-scores, kind="stable")[:leaders].tolist()
    return "  ".join(f"{'*' if one == place else ''}{labels[one]} {probs[one]:.2f}" for one in best)


def sparkline(probs: Sequence[float] | Numbers) -> str:
    """Return one bar a probability: eight heights of equal width from 0 to 1; `?` for what is no number."""
    return "".join(_bar(float(prob)) for prob in probs)


def _bar(prob: float) -> str:
    if not np.isfinite(prob):
        return "?"
    return BARS[min(max(int(prob * len(BARS)), 0), len(BARS) - 1)]


def letters(bits: Sequence[float] | Numbers) -> str:
    """Return a message as letters, five bits each with the most significant first: 00000 is A, 11001 is Z.

    The six values above 25 are the signs that follow Z in ASCII; the last letter may stand for fewer bits.

    Examples
    --------
    >>> letters([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0])
    'B ` C'
    """
    values = np.asarray(bits)
    if not _binary(values):
        raise ValueError("Only messages of bits can be written as letters.")
    groups = (values[start : start + LETTER_BITS] for start in range(0, len(values), LETTER_BITS))
    return " ".join(chr(ord("A") + int("".join(str(int(bit)) for bit in group), 2)) for group in groups)


def bits_of(text: str, message_bits: int) -> list[int]:
    """Return the bits that `letters` wrote.

    Parameters
    ----------
    text
        The letters; spaces between them do not count.
    message_bits
        Bits of the message, which say how many the last letter stands for.
    """
    signs = text.replace(" ", "")
    sizes = [min(LETTER_BITS, message_bits - start) for start in range(0, message_bits, LETTER_BITS)]
    values = [ord(sign) - ord("A") for sign in signs]
    if len(values) != len(sizes) or any(not 0 <= value < 2**size for value, size in zip(values, sizes, strict=False)):
        raise ValueError(f"{text!r} is no message of {message_bits} bits.")
    return [int(bit) for value, size in zip(values, sizes, strict=True) for bit in f"{value:0{size}b}"]


def _binary(values: Numbers) -> bool:
    return bool(np.isin(values, (0, 1)).all())
