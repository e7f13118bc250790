"""Export dialogues as a dataset of the Hugging Face Hub: Parquet files and a dataset card.

``datasets.load_dataset(folder, run, split=part)`` reads the folder. Each run is a configuration, because runs differ in
the length of messages, and each split of Parley is a split of the dataset, with the dialogues of all seeds.

Shapes: N dialogues, T exchanges, d bits per message.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from parley.core.files import write_text
from parley.core.hdf5 import opened
from parley.export.hub_card import CardFacts, card_of
from parley.export.parquet import array_of, write_tables
from parley.export.tidy import Column, tidy_columns
from parley.metrics.conversations import Conversations, read_conversations

CARD = "README.md"
OF_DIALOGUE = {
    "seed": pa.int64(),
    "key": pa.string(),
    "class": pa.string(),
    "label_id": pa.int64(),
    "group": pa.string(),
    "length": pa.int64(),
}
"""Columns of `tidy.COLUMNS` that are the same in all rows of a dialogue, with their types."""
OF_ANSWER = {
    "predicted": pa.string(),
    "predicted_probability": pa.float64(),
    "rank": pa.float64(),
    "target_probability": pa.float64(),
}
"""Columns of `tidy.COLUMNS` of which the last exchange has the answer, with their types."""


def write_dataset(
    messages: Iterable[str | Path], groups: Mapping[str, str], facts: CardFacts, folder: str | Path
) -> None:
    """Write a folder with `README.md`, the dataset card, and `data/<run>/<part>.parquet`.

    Parameters
    ----------
    messages
        Paths of the message files. The rows of a run and split are in this order.
    groups
        Mapping from class names to groups; classes without a group are not in the mapping.
    facts
        Facts about the experiment for the card.
    folder
        Output folder.
    """
    by_split: dict[tuple[str, str], list[str | Path]] = {}
    for path in messages:
        by_split.setdefault(_run_and_part(path), []).append(path)
    sizes: dict[str, dict[str, int]] = {}
    schemas: dict[str, pa.Schema] = {}
    for (run, part), paths in by_split.items():
        schemas.setdefault(run, _schema(read_conversations(paths[0]).binary))
        tables = (dialogue_table(read_conversations(path), groups) for path in paths)
        rows = write_tables(Path(folder, "data", run, f"{part}.parquet"), schemas[run], tables)
        sizes.setdefault(run, {})[part] = rows
    write_text(Path(folder, CARD), card_of(facts, sizes, {run: _features(one) for run, one in schemas.items()}))


def dialogue_table(dialogues: Conversations, groups: Mapping[str, str]) -> pa.Table:
    """Return a table with one row per dialogue of a message file.

    The Sender's messages are those of all exchanges until the dialogue stopped. The Receiver's last message is left
    out, because the Sender never reads it.
    """
    count, steps = dialogues.talking.shape
    columns = tidy_columns(dialogues, groups)
    # Rows of the tidy table: [N, T, agent].
    first = np.arange(count) * steps * 2
    last = first + (dialogues.lengths - 1) * 2 + 1
    schema = _schema(dialogues.binary)
    arrays = {name: array_of(_rows(columns[name], first), kind) for name, kind in OF_DIALOGUE.items()}
    arrays |= {name: array_of(_rows(columns[name], last), kind) for name, kind in OF_ANSWER.items()}
    number = schema.field("sender_messages").type.value_type.value_type
    arrays["sender_messages"] = _nested(dialogues.sender_messages, dialogues.lengths, number)
    arrays["receiver_messages"] = _nested(dialogues.receiver_messages, dialogues.lengths - 1, number)
    arrays["go_on_probabilities"] = pa.ListArray.from_arrays(
        _offsets(dialogues.lengths), pa.array(dialogues.go_on_probabilities[dialogues.talking], pa.float32())
    )
    return pa.Table.from_arrays([arrays[name] for name in schema.names], schema=schema)


def _schema(binary: bool) -> pa.Schema:
    messages = pa.list_(pa.list_(pa.int8() if binary else pa.float32()))
    of_exchanges = {
        "sender_messages": messages,
        "receiver_messages": messages,
        "go_on_probabilities": pa.list_(pa.float32()),
    }
    return pa.schema([*{**OF_DIALOGUE, **of_exchanges, **OF_ANSWER}.items()])


def _rows(column: Column, rows: NDArray[np.int64]) -> Column:
    return Column(column.cells[rows], column.has_value[rows])


def _nested(messages: NDArray[np.int8] | NDArray[np.float32], counts: NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    """Return the first `counts` [N] of the messages [N, T, d] of each dialogue, as lists of lists of numbers."""
    used = messages[np.arange(messages.shape[1]) < counts[:, None]]
    starts = pa.array(np.arange(len(used) + 1, dtype=np.int32) * messages.shape[2])
    each = pa.ListArray.from_arrays(starts, pa.array(used.reshape(-1), kind))
    return pa.ListArray.from_arrays(_offsets(counts), each)


def _offsets(counts: NDArray[np.int64]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))


def _features(schema: pa.Schema) -> list[dict[str, object]]:
    """Return the columns' names and types in the form of dataset cards."""
    return [{"name": field.name, **_feature(field.type)} for field in schema]


def _feature(kind: pa.DataType) -> dict[str, object]:
    if not pa.types.is_list(kind):
        return {"dtype": {"float": "float32", "double": "float64"}.get(str(kind), str(kind))}
    inner = _feature(kind.value_type)
    return {"list": inner.get("dtype", inner)}


def _run_and_part(path: str | Path) -> tuple[str, str]:
    with opened(path, "file of messages") as file:
        run, part = file.attrs["run"], file.attrs["part"]
    return str(run), str(part)
