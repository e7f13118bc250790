"""Recorded conversations as the columns of a tidy table: a row a conversation, exchange and agent.

Letters of shapes: N conversations, T exchanges, d bits a message, R = 2NT rows: conversation by conversation,
exchange by exchange, the Sender before the Receiver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.metrics.conversations import Conversations
from parley.metrics.exchanges import by_case, log_probabilities, target_ranks

if TYPE_CHECKING:
    import pandas as pd


AGENTS = ("Sender", "Receiver")
COLUMNS = {
    "run": "text",
    "seed": "whole",
    "part": "text",
    "key": "text",
    "class": "text",
    "label_id": "whole",
    "group": "text",
    "length": "whole",
    "exchange": "whole",
    "agent": "text",
    "talking": "truth",
    "message": "text",
    "probabilities": "numbers",
    "numbers": "numbers",
    "go_on_probability": "number",
    "goes_on": "truth",
    "predicted": "text",
    "predicted_probability": "number",
    "rank": "number",
    "target_probability": "number",
}
"""Every column and what it holds; `numbers` are a list of them a row. docs/outputs.md says what each is."""


class Column(NamedTuple):
    """A column of R rows."""

    cells: NDArray[Any]
    """[R], or of lists [R, d]."""
    has_value: NDArray[np.bool_]
    """Which rows have a value [R]."""


def tidy_columns(dialogues: Conversations, groups: Mapping[str, str]) -> dict[str, Column]:
    """Return the columns of one file of conversations, in the order of `COLUMNS`.

    Parameters
    ----------
    dialogues
        The conversations.
    groups
        Group of each class, of those that have one.
    """
    count, steps = dialogues.talking.shape
    names = np.array(dialogues.labels)[dialogues.targets]
    group = np.array([groups.get(name, "") for name in names.tolist()])
    by_conversation = {
        "run": np.full(count, dialogues.run),
        "seed": np.full(count, dialogues.seed),
        "part": np.full(count, dialogues.part),
        "key": np.array(dialogues.keys),
        "class": names,
        "label_id": np.array(dialogues.candidate_ids)[dialogues.targets],
        "group": group,
        "length": dialogues.lengths,
    }
    found = {name: _column(np.repeat(values, 2 * steps)) for name, values in by_conversation.items()}
    found["group"] = Column(found["group"].cells, np.repeat(group != "", 2 * steps))
    found["exchange"] = _column(np.tile(np.repeat(np.arange(1, steps + 1), 2), count))
    found["agent"] = _column(np.tile(np.array(AGENTS), count * steps))
    found["talking"] = _column(np.repeat(dialogues.talking.reshape(-1), 2))
    found |= _message_columns(dialogues) | _answer_columns(dialogues)
    return {name: found[name] for name in COLUMNS}


def bit_strings(bits: NDArray[np.int8]) -> NDArray[np.str_]:
    """Write messages of bits [..., d] as texts such as 0110 [...]."""
    digits = np.ascontiguousarray(bits.astype(np.uint8) + ord("0"))
    return np.asarray(digits.view(f"S{bits.shape[-1]}")[..., 0].astype(np.str_))


def _message_columns(dialogues: Conversations) -> dict[str, Column]:
    """Return what was sent: bits and their probabilities, or the numbers of a continuous channel."""
    values = _interleave(dialogues.sender_values, dialogues.receiver_values)
    rows = len(values)
    if dialogues.binary:
        bits = bit_strings(_interleave(dialogues.sender_messages, dialogues.receiver_messages))
        return {
            "message": _column(bits),
            "probabilities": _column(values),
            "numbers": _missing_column(values[:, :0], rows),
        }
    return {
        "message": _missing_column(np.array([""]), rows),
        "probabilities": _missing_column(values[:, :0], rows),
        "numbers": _column(values),
    }


def _interleave(sender: NDArray[Any], receiver: NDArray[Any]) -> NDArray[Any]:
    """Bring the agents' messages [N, T, d] into the order of rows [R, d]."""
    return np.stack([sender, receiver], axis=2).reshape(-1, sender.shape[-1])


def _answer_columns(dialogues: Conversations) -> dict[str, Column]:
    """Return what the Receiver answer of the candidates after each exchange, in its own rows alone."""
    answer = _ReceiverAnswer(*by_case(_receiver_answer, dialogues.scores, dialogues.targets[:, None]))
    finite, everywhere = answer.finite, np.ones_like(answer.finite)
    return {
        "go_on_probability": _receiver_rows(dialogues.go_on_probabilities, everywhere),
        "goes_on": _receiver_rows(dialogues.go_on, everywhere),
        "predicted": _receiver_rows(np.array(dialogues.labels)[answer.best], finite),
        "predicted_probability": _receiver_rows(answer.best_probability, finite),
        "rank": _receiver_rows(answer.rank, finite),
        "target_probability": _receiver_rows(answer.target_probability, finite),
    }


class _ReceiverAnswer(NamedTuple):
    """What the Receiver answer of the candidates, each [N, T]."""

    finite: NDArray[np.bool_]
    """Whether its scores are finite numbers."""
    best: NDArray[np.int64]
    best_probability: NDArray[np.float64]
    rank: NDArray[np.float64]
    target_probability: NDArray[np.float64]


def _receiver_answer(scores: NDArray[np.float32], targets: NDArray[np.int64]) -> _ReceiverAnswer:
    """Return what was answer in cases of scores [n, K] and targets [n], each [n]."""
    finite = np.asarray(np.isfinite(scores).all(axis=-1))
    # A diverged run's scores rank nothing; they are kept from the ranking, and its rows stay empty.
    scores = np.where(finite[..., None], scores, np.float32(0))
    best = scores.argmax(axis=-1)
    probabilities = np.exp(log_probabilities(scores))

    def taken(columns: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.take_along_axis(probabilities, columns[..., None], axis=-1)[..., 0])

    return _ReceiverAnswer(finite, best, taken(best), target_ranks(scores, targets), taken(targets))


def _receiver_rows(values: NDArray[Any], known: NDArray[np.bool_]) -> Column:
    """Put values [N, T] into the Receiver's rows."""
    return Column(np.repeat(values.reshape(-1), 2), np.stack([np.zeros_like(known), known], axis=-1).reshape(-1))


def _column(values: NDArray[Any]) -> Column:
    return Column(values, np.ones(len(values), dtype=bool))


def _missing_column(like: NDArray[Any], rows: int) -> Column:
    return Column(np.repeat(like[:1], rows, axis=0), np.zeros(rows, dtype=bool))


_TYPES = {"text": "string", "truth": "boolean", "number": "float64"}


def frame_of(columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return the columns as a frame; what has no value is NaN, of texts and truths NA, of lists None."""
    import pandas as pd

    return pd.DataFrame({name: _series(column, COLUMNS[name]) for name, column in columns.items()})


def _series(column: Column, kind: str) -> Any:
    import pandas as pd

    if kind == "numbers":
        return [row if known else None for row, known in zip(column.cells, column.has_value, strict=True)]
    if kind == "whole":
        return column.cells
    return pd.Series(column.cells, dtype=_TYPES[kind]).where(pd.Series(column.has_value))
