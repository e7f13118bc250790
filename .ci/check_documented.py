"""Hold docs/outputs.md to a finished experiment: every file that lies there, and every column, is named."""

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from pyarrow import parquet

from parley.features.options import ROLES
from parley.provenance.records import FOLDER as RECORDS

PAGE = Path(__file__).parents[1] / "docs/outputs.md"
CODE = re.compile(r"`+([^`]+)`+")
HEADERLESS = ("descriptions.csv",)
MARK = ".snakemake_timestamp"
"""Snakemake's own, in every folder that is one output."""


class Entry(NamedTuple):
    """A heading or a table's row that names files."""

    names: list[str]
    """As the page writes them."""
    folder: str
    """Where they lie, below the experiment's folder."""
    words: set[str]
    """Those in code that are said of them."""

    def names_file(self, path: str) -> bool:
        """Whether a file is one of them."""
        return any(_matches(self.folder + name, path) for name in self.names)


class Page:
    """What the page names.

    A heading that names a folder, as `runs/<run>/<seed>/`, says where the files of its tables lie. One that names a
    file, and a table's row that does, say what is in that file; so does what is said elsewhere under the same name.
    """

    def __init__(self, text: str) -> None:
        self.entries: list[Entry] = []
        folders: dict[int, str] = {}
        for title, depth, body in _sections(text):
            folders = {level: folder for level, folder in folders.items() if level < depth}
            above = folders[max(folders)] if folders else ""
            named = [name.removeprefix("results/<e>/") for name in CODE.findall(title)]
            if (named and named[0].endswith("/")) or named == [""]:
                folders[depth] = above + named[0]
            self.entries.append(Entry(named, above, _words(f"{title}\n{body}")))
            here = folders.get(depth, above)
            self.entries += [Entry(CODE.findall(cell), here, _words(row)) for cell, row in _rows(body)]

    def said_of(self, path: str) -> set[str] | None:
        """Return the words in code that the page says of a file; None where it does not name the file."""
        path = path if Path(path).name != MARK else MARK
        path = path if RECORDS not in Path(path).parts else f"{RECORDS}/"
        found = [entry for entry in self.entries if entry.names_file(path)]
        names = {name for entry in found for name in entry.names}
        said = [entry.words for entry in self.entries if names.intersection(entry.names)]
        return set().union(*said) if found else None


def _words(text: str) -> set[str]:
    return {word for code in CODE.findall(text) for word in re.split(r"[^\w@]+", code)}


def _sections(text: str) -> Iterator[tuple[str, int, str]]:
    pieces = re.split(r"^(#+) (.*)$", text, flags=re.MULTILINE)
    for marks, title, body in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        yield title, len(marks), body


def _rows(body: str) -> Iterator[tuple[str, str]]:
    """Give the first cell of each row of a section's tables, and the row."""
    for line in body.splitlines():
        if line.startswith("| `"):
            yield line.split(" | ")[0], line


def _matches(pattern: str, path: str) -> bool:
    parts = re.split(r"(<[^>]+>|\*)", pattern)
    expression = "".join("[^/]+" if part.startswith(("<", "*")) else re.escape(part) for part in parts)
    # Of these folders, it is enough that the folder is named.
    whole = pattern in ("logs/", "benchmarks/") or pattern.endswith("/.unfinished/")
    return re.fullmatch(expression + (".*" if whole else ""), path) is not None


def columns_of(path: Path) -> set[str]:
    """Return the columns, datasets, arrays and attributes of a file."""
    if path.suffix in (".csv", ".tsv") and path.name not in HEADERLESS:
        with path.open(newline="", encoding="utf-8") as stream:
            return set(next(csv.reader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")))
    # In the place of a failed run's messages stands a small JSON.
    if path.suffix == ".hdf5" and h5py.is_hdf5(path):
        with h5py.File(path) as file:
            fields = {field for dataset in file.values() for field in dataset.dtype.names or ()}
            attributes = {name for item in (file, *file.values()) for name in item.attrs}
            # The page lists the datasets' names of ResNet-34; attributes have those of another network.
            roles = ROLES if file.attrs.get("backbone", "resnet34") != "resnet34" else ()
            return {*file, *fields, *attributes} - {file.attrs[role] for role in roles if role in file.attrs}
    if path.suffix == ".parquet":
        return set(parquet.read_schema(path).names)
    if path.suffix == ".npz":
        with np.load(path) as file:
            return {re.sub("^values_.*", "values_", name) for name in file}
    return set()


def undocumented(folder: Path, text: str) -> list[str]:
    """Return a sentence for each file, or column of one, that the page does not name."""
    page = Page(text)
    findings = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        said = page.said_of(name)
        if said is None:
            findings.append(f"{name} is not named.")
        elif missing := sorted(columns_of(path) - said) if not name.startswith("benchmarks/") else []:
            findings.append(f"{name}: {', '.join(missing)} is not named.")
    return findings


if __name__ == "__main__":
    found = undocumented(Path(sys.argv[1]), PAGE.read_text(encoding="utf-8"))
    sys.stdout.writelines(f"docs/outputs.md: {each}\n" for each in found)
    sys.exit(bool(found))
