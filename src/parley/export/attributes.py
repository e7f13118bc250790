"""Attributes of classes as whole numbers: what measures of compositionality take for the meaning of a message."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.errors import ParleyError
from parley.files import read_table


class Attributes(NamedTuple):
    """A attributes of each class, each value as its place among the attribute's values."""

    names: list[str]
    """[A]."""
    values: list[list[str]]
    """Of each attribute, in the order of the alphabet."""
    codes: dict[str, list[int]]
    """Of each class [A]."""
    path: str
    """Where they stand."""

    def of(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Return the attributes of N classes [N, A]; a class without any raises `ParleyError`."""
        if strays := sorted(set(classes).difference(self.codes)):
            raise ParleyError(f"{self.path} has no row for the class {', '.join(strays[:5])}; make it again.")
        return np.array([self.codes[name] for name in classes], dtype=np.int64).reshape(-1, len(self.names))


def read_attributes(path: str | Path) -> Attributes:
    """Read a TSV with the column `class` and a column an attribute, a row a class."""
    rows = read_table(path, ["class"])
    names = [name for name in (rows[0] if rows else {}) if name != "class"]
    if not names:
        raise ParleyError(f"{path} has no attribute beside the column class; add one, or remove the file.")
    values = [sorted({row[name] for row in rows}) for name in names]
    codes = {row["class"]: [known.index(row[name]) for name, known in zip(names, values, strict=True)] for row in rows}
    return Attributes(names, values, codes, str(path))
