"""Convert recorded dialogues to a tidy table with one row per dialogue, exchange and agent.

Shapes: N dialogues, T exchanges, d bits per message, R = 2NT rows. Rows are ordered by dialogue, then by exchange, with
the Sender before the Receiver.
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
"""Type of each column. In a column of type `numbers`, each row has a list. docs/outputs.md describes the columns."""


class Column(NamedTuple):
    """A column of the table, with R rows."""

    cells: NDArray[Any]
    """One value per row, shape [R], or d values per row, shape [R, d]; arbitrary in rows without a value."""
    has_value: NDArray[np.bool_]
    """True for rows that have a value. Shape [R]."""


def tidy_columns(dialogues: Conversations, groups: Mapping[str, str]) -> dict[str, Column]:
    """Return the table's columns for one message file, in the order of `COLUMNS`.

    Parameters
    ----------
    dialogues
        The dialogues of the file.
    groups
        Mapping from class names to groups; classes without a group are not in the mapping.
    """
    count, steps = dialogues.talking.shape
    names = np.array(dialogues.labels)[dialogues.targets]
    group = np.array([groups.get(name, "") for name in names.tolist()])
    by_dialogue = {
        "run": np.full(count, dialogues.run),
        "seed": np.full(count, dialogues.seed),
        "part": np.full(count, dialogues.part),
        "key": np.array(dialogues.keys),
        "class": names,
        "label_id": np.array(dialogues.candidate_ids)[dialogues.targets],
        "group": group,
        "length": dialogues.lengths,
    }
    found = {name: _column(np.repeat(values, 2 * steps)) for name, values in by_dialogue.items()}
    found["group"] = Column(found["group"].cells, np.repeat(group != "", 2 * steps))
    found["exchange"] = _column(np.tile(np.repeat(np.arange(1, steps + 1), 2), count))
    found["agent"] = _column(np.tile(np.array(AGENTS), count * steps))
    found["talking"] = _column(np.repeat(dialogues.talking.reshape(-1), 2))
    found |= _message_columns(dialogues) | _answer_columns(dialogues)
    return {name: found[name] for name in COLUMNS}


def bit_strings(bits: NDArray[np.int8]) -> NDArray[np.str_]:
    """Convert messages [..., d] of bits to an array [...] of strings with d digits, such as ``0110``."""
    digits = np.ascontiguousarray(bits.astype(np.uint8) + ord("0"))
    return np.asarray(digits.view(f"S{bits.shape[-1]}")[..., 0].astype(np.str_))


def _message_columns(dialogues: Conversations) -> dict[str, Column]:
    """Return the columns with the messages: bits and their probabilities, or the numbers of a continuous channel."""
    values = _interleave(dialogues.sender_values, dialogues.receiver_values)
    empty = _missing_column(values[:, :0], len(values))
    if not dialogues.binary:
        message = _missing_column(np.array([""]), len(values))
        return {"message": message, "probabilities": empty, "numbers": _column(values)}
    bits = bit_strings(_interleave(dialogues.sender_messages, dialogues.receiver_messages))
    return {"message": _column(bits), "probabilities": _column(values), "numbers": empty}


def _interleave(sender: NDArray[Any], receiver: NDArray[Any]) -> NDArray[Any]:
    """Interleave the messages of both agents, each [N, T, d], into an array [R, d] in the order of the table's rows."""
    return np.stack([sender, receiver], axis=2).reshape(-1, sender.shape[-1])


def _answer_columns(dialogues: Conversations) -> dict[str, Column]:
    """Return the columns with the Receiver's decisions and predictions. The Sender's rows have no value."""
    arrays = by_case(_predictions, dialogues.scores, dialogues.targets[:, None])
    finite, best, best_probability, rank, target_probability = arrays
    everywhere = np.ones_like(finite)
    return {
        "go_on_probability": _receiver_rows(dialogues.go_on_probabilities, everywhere),
        "goes_on": _receiver_rows(dialogues.go_on, everywhere),
        "predicted": _receiver_rows(np.array(dialogues.labels)[best], finite),
        "predicted_probability": _receiver_rows(best_probability, finite),
        "rank": _receiver_rows(rank, finite),
        "target_probability": _receiver_rows(target_probability, finite),
    }


def _predictions(scores: NDArray[np.float32], targets: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    """Compute predictions from scores [n, K] and targets [n].

    Returns five arrays [n]: whether all scores are finite, the class with the highest score, its probability, the rank
    of the target, and the probability of the target.
    """
    finite = np.asarray(np.isfinite(scores).all(axis=-1))
    # Scores that are not finite cannot be ranked. They are replaced by zeros, and the caller discards the results.
    scores = np.where(finite[..., None], scores, np.float32(0))
    best = scores.argmax(axis=-1)
    probabilities = np.exp(log_probabilities(scores))

    def probability_of(columns: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.take_along_axis(probabilities, columns[..., None], axis=-1)[..., 0])

    return finite, best, probability_of(best), target_ranks(scores, targets), probability_of(targets)


def _receiver_rows(values: NDArray[Any], known: NDArray[np.bool_]) -> Column:
    """Return a column with `values` [N, T] in the Receiver's rows, except where `known` [N, T] is false."""
    return Column(np.repeat(values.reshape(-1), 2), np.stack([np.zeros_like(known), known], axis=-1).reshape(-1))


def _column(values: NDArray[Any]) -> Column:
    return Column(values, np.ones(len(values), dtype=bool))


def _missing_column(like: NDArray[Any], rows: int) -> Column:
    return Column(np.repeat(like[:1], rows, axis=0), np.zeros(rows, dtype=bool))


_TYPES = {"text": "string", "truth": "boolean", "number": "float64"}


def frame_of(columns: Mapping[str, Column]) -> pd.DataFrame:
    """Convert columns to a data frame. Missing values are NaN for numbers, NA for text and booleans, None for lists."""
    import pandas as pd

    return pd.DataFrame({name: _series(column, COLUMNS[name]) for name, column in columns.items()})


def _series(column: Column, kind: str) -> Any:
    import pandas as pd

    if kind == "numbers":
        return [row if known else None for row, known in zip(column.cells, column.has_value, strict=True)]
    if kind == "whole":
        return column.cells
    return pd.Series(column.cells, dtype=_TYPES[kind]).where(pd.Series(column.has_value))
