"""Export all dialogues of an experiment to Parquet, for pandas, polars, R and other tools."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from parley import __version__
from parley.core.files import written_aside
from parley.export.tidy import COLUMNS, Column, tidy_columns
from parley.metrics.conversations import read_conversations

ROWS = 2**17
"""Maximum number of rows in a row group, the unit in which readers load the file."""
_TYPES = {
    "text": pa.string(),
    "whole": pa.int64(),
    "truth": pa.bool_(),
    "number": pa.float64(),
    "numbers": pa.list_(pa.float32()),
}


def write_parquet(
    messages: Iterable[str | Path],
    groups: Mapping[str, str],
    experiment: str,
    failed: Sequence[Mapping[str, Any]],
    out: str | Path,
) -> None:
    """Write the dialogues of all message files to one Parquet file. Only one message file is in memory at a time.

    Parameters
    ----------
    messages
        Paths of the message files, whose rows are written in this order.
    groups
        Mapping from class names to groups; classes without a group are not in the mapping.
    experiment
        Name of the experiment, for the file's metadata.
    failed
        ``run``, ``seed`` and ``why`` of each failed seed, for the file's metadata.
    out
        Path of the Parquet file to write.
    """
    about = {"experiment": experiment, "parley": __version__, "failed": json.dumps(list(failed), ensure_ascii=False)}
    schema = pa.schema([pa.field(name, _TYPES[kind]) for name, kind in COLUMNS.items()], metadata=about)
    tables = (_table(tidy_columns(read_conversations(path), groups), schema) for path in messages)
    write_tables(out, schema, tables)


def write_tables(out: str | Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables to one Parquet file, with one table in memory at a time. Return the number of rows."""
    rows = 0
    with written_aside(out) as aside, pq.ParquetWriter(aside, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table, row_group_size=ROWS)
            rows += table.num_rows
    return rows


def _table(columns: Mapping[str, Column], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([array_of(columns[field.name], field.type) for field in schema], schema=schema)


def array_of(column: Column, kind: pa.DataType) -> pa.Array:
    """Convert a column to an Arrow array of the given type. Rows without a value are null."""
    if not pa.types.is_list(kind):
        return pa.array(column.cells, type=kind, mask=~column.has_value)
    rows, width = column.cells.shape
    starts = pa.array(np.arange(rows + 1, dtype=np.int32) * width)
    values = pa.array(np.ascontiguousarray(column.cells).reshape(-1), type=kind.value_type)
    return pa.ListArray.from_arrays(starts, values, mask=pa.array(~column.has_value))
