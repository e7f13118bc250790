"""Attributes of classes, such as colour or size. Metrics of compositionality compare them with the messages."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from parley.core.errors import Findings, ParleyError, did_you_mean
from parley.core.file_names import confusable_form
from parley.core.formats import counted
from parley.core.tables import check_header, read_table, write_table
from parley.core.text import csv_rows, text_lines
from parley.dataset.class_set import ImageClass, match_classes
from parley.dataset.sources.archive import IN_ARCHIVE
from parley.synthetic.attributes import ATTRIBUTES, CREATURES

_TO_BLANKS = str.maketrans(",;", "  ")


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
            hint = did_you_mean(missing[0], self.codes)
            raise ParleyError(
                f"{self.path} has no attributes for {', '.join(missing[:10])}{hint and f' ({hint})'}; "
                "add a line per class."
            )
        return np.array([self.codes[name] for name in classes], dtype=np.int64).reshape(-1, len(self.names))


class AttributeFiles(NamedTuple):
    """Files with the attributes of the experiment's classes; they may have further classes."""

    values: str | Path
    """A table (TSV or `.csv`) with the column `class` or, if `rows` is given, a matrix of numbers, a row per class."""
    rows: str | Path | None = None
    """Text with a line per row of the matrix: the class, after the row's number or alone."""
    columns: str | Path | None = None
    """Text with a line per column of the matrix: the attribute, after the column's number or alone."""
    threshold: float | None = None
    """Number above which a value becomes 1; all others become 0. None leaves the values unchanged."""

    @classmethod
    def of_config(cls, evaluation: Mapping[str, Any]) -> "AttributeFiles":
        """Return the files that the config section `evaluation` names."""
        keys = ("attributes", "attribute_classes", "attribute_names", "attribute_threshold")
        return cls(*(evaluation[key] for key in keys))

    @property
    def is_in_archive(self) -> bool:
        """Whether any of the files is in the source's archive."""
        return any(str(path).startswith(IN_ARCHIVE) for path in self[:3])

    def unpacked(self, unpack: Callable[[str], Path]) -> "AttributeFiles":
        """Replace files in the source's archive by the copies that `unpack` makes."""
        values, rows, columns = (
            unpack(path.removeprefix(IN_ARCHIVE)) if isinstance(path, str) and path.startswith(IN_ARCHIVE) else path
            for path in self[:3]
        )
        return AttributeFiles(values or "", rows, columns, self.threshold)

    def read(self, classes: Sequence[str]) -> Attributes:
        """Read the attributes of the given classes, found by `parley.dataset.class_set.match_classes`.

        Raises
        ------
        ParleyError
            If a file cannot be used, the files disagree, or a class is missing.
        """
        if bool(self.rows) != bool(self.columns):
            raise ParleyError(
                f"{self.values} is a matrix if evaluation.attribute_classes and evaluation.attribute_names are both "
                "given; set both or neither."
            )
        names, table = self._matrix() if self.rows and self.columns else _table(self.values)
        if self.threshold is not None:
            for label, row in table.items():
                numbers = [_number(f"{self.values}, class {label}", cell) for cell in row]
                table[label] = ["1" if number > self.threshold else "0" for number in numbers]
        wanted = [ImageClass(name, "", "") for name in classes]
        fix = "correct the name or add the class there"
        found = match_classes(wanted, [(label,) for label in table], str(self.values), fix)
        return _coded(names, {name: table[label] for name, (label,) in found.items()}, str(self.values))

    def _matrix(self) -> tuple[list[str], dict[str, list[str]]]:
        """Return the names of the columns, and the row of each class."""
        labels, names = _listed(self.rows or ""), _listed(self.columns or "")
        lines = _lines(self.values)
        rows = [line.translate(_TO_BLANKS).split() for line in lines]
        if len(rows) != len(labels):
            raise ParleyError(
                f"{self.values} has {counted(len(rows), 'row')}, but {self.rows} has "
                f"{counted(len(labels), 'class')}; use files of one data set."
            )
        if len(names) < 2 or "class" in names:
            raise ParleyError(f"{self.columns} needs at least two attributes, none of them named `class`.")
        for number, row in enumerate(rows, start=1):
            where = f"{self.values}, row {number}"
            if len(row) != len(names):
                if "," in lines[number - 1] and len(lines[number - 1].replace(";", " ").split()) == len(names):
                    raise ParleyError(f"{where} has decimal commas; write decimal points.")
                raise ParleyError(
                    f"{where} has {counted(len(row), 'number')}, but {self.columns} has {len(names)} attributes; "
                    "use files of one data set."
                )
            values = [_number(where, cell) for cell in row]
            if self.threshold is None and (broken := [value for value in values if value % 1]):
                raise ParleyError(
                    f"{where} has the number {broken[0]:g}; set evaluation.attribute_threshold, above which an "
                    "attribute counts as present."
                )
            rows[number - 1] = [f"{value:.17g}" for value in values]  # Exact, and 1 for 1.0.
        return names, dict(zip(labels, rows, strict=True))


def read_attributes(path: str | Path) -> Attributes:
    """Read a TSV with the column ``class`` and one column per attribute.

    Raises
    ------
    ParleyError
        If there are fewer than two attributes, a cell is empty, or a class occurs twice.
    """
    return _coded(*_table(path), str(path))


def _table(path: str | Path) -> tuple[list[str], dict[str, list[str]]]:
    """Return the names of the attributes in a TSV or CSV, and the row of each class."""
    rows = _csv(path) if str(path).lower().endswith(".csv") else read_table(path, ["class"])
    names = [name for name in rows[0] if name != "class"] if rows else []
    findings = Findings()
    if len(names) < 2:
        findings.add(
            f"{path} has {counted(len(names), 'column')} in addition to `class`, but needs at least two attributes."
        )
    seen: dict[str, str] = {}
    for row in rows:
        row["class"] = row["class"].strip()
        if not row["class"]:
            findings.add(f"{path} has a row without a class; name it, or remove the row.")
        elif first := seen.get(form := confusable_form(row["class"])):
            alike = "" if first == row["class"] else f" (the first time as {first})"
            findings.add(f"{path} has the class {row['class']} twice{alike}; remove one of the lines.")
        else:
            seen[form] = row["class"]
        if empty := [name for name in names if not row[name].strip()]:
            findings.add(f"{path}, class {row['class']}: {', '.join(empty)} is empty; give every attribute a value.")
    findings.raise_if_any()
    return names, {row["class"]: [row[name].strip() for name in names] for row in rows}


def _csv(path: str | Path) -> list[dict[str, str]]:
    rows = csv_rows(path)
    _, names = next(rows, (0, [""]))
    header = [name.strip() for name in names]
    check_header(path, header, ["class"], "comma")
    found = []
    for number, cells in rows:
        if len(cells) != len(header):
            raise ParleyError(f"{path}, line {number} has {len(cells)} fields, but the first has {len(header)}.")
        found.append(dict(zip(header, cells, strict=True)))
    return found


def _listed(path: str | Path) -> list[str]:
    """Return the names in a file with a line per name, each after its number (counted from 0 or 1) or alone."""
    lines = [line.strip() for line in _lines(path)]
    numbered = [re.fullmatch(r"(\d{1,9})\s+(.+)", line) for line in lines]
    if all(numbered):
        first = int(lines[0].split()[0]) if lines else 0
        for place, line in enumerate(lines):
            if int(line.split()[0]) != first + place or first > 1:
                raise ParleyError(f"{path}, line {place + 1} is {line!r}; number the lines from 0 or 1 without gaps.")
        lines = [match[2] for match in numbered if match]
    if len(set(lines)) < len(lines):
        repeated = Counter(lines).most_common(1)[0][0]
        raise ParleyError(f"{path} has {repeated!r} twice; every name must be different.")
    return lines


def _lines(path: str | Path) -> list[str]:
    """Return the lines of a text file that are not blank."""
    return [line for line in text_lines(path) if line.strip()]


def _number(where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ParleyError(f"{where} has {text[:40]!r}, which is not a number; correct it.")
    return value


def world_attributes() -> Attributes:
    """Return the attributes of the creatures in the bundled synthetic world."""
    return _coded(list(ATTRIBUTES), {one.name: list(one.combination) for one in CREATURES}, "The bundled world")


def _coded(names: list[str], table: dict[str, list[str]], path: str) -> Attributes:
    values = [sorted(set(column)) for column in zip(*table.values(), strict=True)]
    codes = {
        name: [known.index(value) for value, known in zip(row, values, strict=True)] for name, row in table.items()
    }
    return Attributes(names, values, codes, path)


def write_attributes(given: AttributeFiles | None, classes: Sequence[str], out: str | Path) -> None:
    """Write the attributes of an experiment's classes as a TSV. A class without attributes raises `ParleyError`.

    Parameters
    ----------
    given
        The files to read; None for the attributes of the bundled synthetic world.
    classes
        Names of the classes, in the order of the rows to write.
    out
        Path of the TSV to write.
    """
    known = world_attributes() if given is None else given.read(classes)
    rows = [
        [name, *(texts[code] for texts, code in zip(known.values, codes, strict=True))]
        for name, codes in zip(classes, known.of(classes).tolist(), strict=True)
    ]
    write_table(out, ["class", *known.names], rows)
