"""Attributes of classes, such as colour or size. Metrics of compositionality compare them with the messages."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.core.errors import Findings, ParleyError
from parley.core.tables import read_table, write_table
from parley.synthetic.attributes import ATTRIBUTES, CREATURES


class Attributes(NamedTuple):
    """Values of A attributes for each class, encoded as integers."""

    names: list[str]
    """Names of the attributes, [A]."""
    values: list[list[str]]
    """For each attribute, its values in alphabetical order; the code of a value is its index in this list."""
    codes: dict[str, list[int]]
    """Codes of each class's values, a list [A] with one code per attribute, by class name."""
    path: str
    """Path or name of the table, for error messages."""

    def of(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Return the codes of N classes, [N, A]. A class that is not in the table raises `ParleyError`."""
        if missing := sorted(set(classes).difference(self.codes)):
            raise ParleyError(f"{self.path} has no attributes for {', '.join(missing[:10])}; add a line per class.")
        return np.array([self.codes[name] for name in classes], dtype=np.int64).reshape(-1, len(self.names))


def read_attributes(path: str | Path) -> Attributes:
    """Read a TSV with the column ``class`` and one column per attribute.

    Raises
    ------
    ParleyError
        If there are fewer than two attributes, a cell is empty, or a class occurs twice.
    """
    rows = read_table(path, ["class"])
    names = [name for name in rows[0] if name != "class"] if rows else []
    findings = Findings()
    if len(names) < 2:
        findings.add(f"{path} has {len(names)} columns of attributes, besides `class`; it needs at least two.")
    seen: set[str] = set()
    for row in rows:
        if row["class"] in seen:
            findings.add(f"{path} has the class {row['class']} twice; remove one of the lines.")
        if empty := [name for name in names if not row[name].strip()]:
            findings.add(f"{path}, class {row['class']}: {', '.join(empty)} is empty; give every attribute a value.")
        seen.add(row["class"])
    findings.raise_if_any()
    return _coded(names, {row["class"]: [row[name].strip() for name in names] for row in rows}, str(path))


def world_attributes() -> Attributes:
    """Return the attributes of the creatures in the bundled synthetic world."""
    return _coded(list(ATTRIBUTES), {one.name: list(one.combination) for one in CREATURES}, "The bundled world")


def _coded(names: list[str], table: dict[str, list[str]], path: str) -> Attributes:
    values = [sorted(set(column)) for column in zip(*table.values(), strict=True)]
    codes = {
        name: [known.index(value) for value, known in zip(row, values, strict=True)] for name, row in table.items()
    }
    return Attributes(names, values, codes, path)


def write_attributes(given: str | Path | None, classes: Sequence[str], out: str | Path) -> None:
    """Write the attributes of an experiment's classes as a TSV. A class without attributes raises `ParleyError`.

    Parameters
    ----------
    given
        Path of a table that `read_attributes` can read; None for the attributes of the bundled synthetic world.
    classes
        Names of the classes, in the order of the rows to write.
    out
        Path of the TSV to write.
    """
    known = world_attributes() if given is None else read_attributes(given)
    rows = [
        [name, *(texts[code] for texts, code in zip(known.values, codes, strict=True))]
        for name, codes in zip(classes, known.of(classes).tolist(), strict=True)
    ]
    write_table(out, ["class", *known.names], rows)
