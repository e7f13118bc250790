"""Image source `manifest`: a table (TSV) with the column `class` and one or both of the columns `url` and `path`."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from parley.core.errors import ParleyError
from parley.core.tables import column_problem, header_of, stream_table
from parley.dataset.archives import IN_TAR_OR_ZIP
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import image_key
from parley.dataset.sources.base import EntrySource, Stated, class_labels, file_facts

_ADDRESS_COLUMNS = ("path", "url")
# fmt: off
RIGHTS_COLUMNS = frozenset({
    "license", "licence", "license_url", "licence_url", "license_name", "licence_name", "rights", "rights_holder",
    "rightsholder", "copyright", "attribution", "author", "author_url", "creator", "credit", "credits", "owner",
    "photographer", "source", "source_url", "provider", "title",
})
# fmt: on
"""Lower-case names of columns about rights, which are copied into `images.tsv` if the config names no columns."""
IMAGE_COLUMNS = ("class", "key", "part", "sha256", "url", "width", "height", "bytes")
"""Columns that `images.tsv` always has. Columns copied from the source's table must have other names."""


class ManifestTable(EntrySource):
    """Source of the addresses in a table. If a row has both a path and a URL, the path is used."""

    label = "a table of URLs and paths"
    over_network = True
    states_rights = True
    needs_keys = ("path",)

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return the problems with the settings and the table's columns, one sentence each."""
        try:
            table, columns = self._table, self._header
        except ParleyError as error:
            return error.findings
        written = "\t".join(columns).lower()
        address = next((one for names in (columns, written) for one in _ADDRESS_COLUMNS if one in names), "url")
        if problem := column_problem(table, columns, ["class", address], "class, and url or path"):
            return [problem]
        found = _carry_problems(table, columns, self.options.carry)
        if "path" in columns and self.options.root is None:
            found.append(
                f"{table} has local paths: set source.manifest.local_root to the folder that they are relative to."
            )
        return found + self._root_problems()

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of the table, classes and root, and of the classes' local files that cannot be read."""
        digest = super().digest(classes)
        unread = [address for label in class_labels(classes) for address in self._unread.get(label, ())]
        return self._digest_of(digest, unread) if unread else digest

    def entries(self, classes: Sequence[ImageClass]) -> Iterator[tuple[str, str]]:
        """Yield the class (name or wnid) and address of each row."""
        return ((label, address) for label, address, _ in self._rows())

    def stated(self, classes: Sequence[ImageClass], images: Iterable[tuple[str, ...]]) -> Stated:
        """Read the table, and return the columns that `carry` lists, by default those about licence and author."""
        if problems := _carry_problems(self._table, self._header, self.options.carry):
            raise ParleyError(problems)
        columns, wanted, named = _carried_names(self._header, self.options.carry), set(images), class_labels(classes)
        cells: dict[tuple[str, ...], tuple[str, ...]] = {}
        conflicting: set[tuple[str, str]] = set()
        for label, address, stated in self._rows(columns):
            if label in named:
                image = (named[label], image_key(address))
                if image in wanted and cells.setdefault(image, stated) != stated:
                    conflicting.add(image)
        if missing := len(wanted) - len(cells):
            raise ParleyError(
                f"{self._table} no longer lists {missing} of the {len(wanted)} images: it was changed after "
                "they were selected. Run `uv run snakemake --cores 1 --forcerun select_classes`."
            )
        return Stated(tuple(columns), cells, len(conflicting))

    def _rows(self, further: Sequence[str] = ()) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield the class (name or wnid) and address of each row, and its cells in the `further` columns."""
        columns = [column for column in _ADDRESS_COLUMNS if column in self._header]
        for label, *cells in stream_table(self._table, ["class", *columns, *further]):
            addresses, stated = cells[: len(columns)], cells[len(columns) :]
            address = next((address.strip() for address in addresses if address.strip()), "")
            # A lone carriage return would end a line in the files written from these cells.
            yield label.strip(), address, tuple(cell.replace("\r", " ").strip() for cell in stated)

    @property
    def _table(self) -> Path:
        if self.options.manifest is None:
            raise ParleyError("A source of kind 'manifest' needs source.manifest.path, the path of its table.")
        return self.options.manifest

    @cached_property
    def _unread(self) -> dict[str, list[str]]:
        """Local paths that a fetch cannot read, by class name or wnid; empty if the table has errors."""
        found: dict[str, list[str]] = {}
        with suppress(ParleyError):  # `check` and `listing` report them.
            if self.options.root is not None and "path" in self._header:
                listed = [row for row in self.entries([]) if row[1] and "://" not in row[1]]
                files = file_facts(self.options.root, (IN_TAR_OR_ZIP.sub(r"\1", address) for _, address in listed))
                for (label, address), (_, *facts) in zip(listed, files, strict=True):
                    if not any(facts):
                        found.setdefault(label, []).append(address)
        return found

    @cached_property
    def _header(self) -> list[str]:
        return header_of(self._table)


def _carried_names(header: Sequence[str], carry: Sequence[str] | None) -> list[str]:
    return [name for name in header if name.strip().lower() in RIGHTS_COLUMNS] if carry is None else list(carry)


def _carry_problems(table: Path, header: Sequence[str], carry: Sequence[str] | None) -> list[str]:
    """Return a sentence for each column that cannot be copied into `images.tsv`."""
    found = []
    for name in dict.fromkeys(_carried_names(header, carry)):
        if name not in header:
            found.append(
                f"source.manifest.carry has {name!r}, but {table} has no column of this name; correct the name."
            )
        elif name in IMAGE_COLUMNS:
            found.append(
                f"{table} has a column {name!r}, as images.tsv does; rename it, or omit it from source.manifest.carry."
            )
        elif header.count(name) > 1:
            found.append(f"{table} has several columns {name!r} in its first line; rename all but one.")
    return found
