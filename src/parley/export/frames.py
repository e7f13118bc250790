"""The columns of a tidy table as a frame of pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from parley.export.tidy import COLUMNS, Column

if TYPE_CHECKING:
    import pandas as pd

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
