"""Any table of class and address: a TSV with the column `class` and one or both of `url` and `path`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from parley.classes import ImageClass
from parley.errors import ParleyError
from parley.listing import Addresses, Dirt, Listing
from parley.sources.base import Source, SourceOptions, file_fingerprint
from parley.tables import header_of, stream_table
from parley.web import is_web_url

_ADDRESS_COLUMNS = ("path", "url")


class ManifestTable(Source):
    """Rows of a table; a row's path is taken before its URL, and further columns are left alone."""

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return what is amiss, as `Source.check` says."""
        table = self.options.manifest
        if table is None:
            return ["A source of kind 'manifest' needs the path of its table."]
        try:
            columns = header_of(table)
        except ParleyError as error:
            return error.findings
        found = [] if "class" in columns else [f"{table} has no column 'class' in its first line; add it."]
        if not any(column in columns for column in _ADDRESS_COLUMNS):
            found.append(f"{table} has neither a column 'url' nor a column 'path' in its first line; add one.")
        if "path" in columns and self.options.root is None:
            found.append(f"{table} names local paths, so the source needs a root: the folder they lie below.")
        if self.options.root is not None and not self.options.root.is_dir():
            found.append(f"The source's root {self.options.root} is not a folder; check the path.")
        return found

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Digest the table."""
        table = self.options.manifest
        content = file_fingerprint(table) if table is not None and table.is_file() else str(table)
        # The same paths below another root are other pictures.
        named = [(image_class.name, image_class.wnid) for image_class in classes]
        return self._digest_of(content, named, str(self.options.root))

    def listing(self, classes: Sequence[ImageClass], url_list: Path | None) -> Listing:
        """Return the addresses of each class, as `Source.listing` says."""
        addresses = Addresses([image_class.name for image_class in classes], self.options.class_size)
        listing = addresses.listing
        named = {image_class.wnid: image_class.name for image_class in classes if image_class.wnid}
        named |= {image_class.name: image_class.name for image_class in classes}
        for label, address in _rows(self.options):
            listing.lines += 1
            name = named.get(label)
            if name is not None:
                listing.entries[name] += 1
                dirt = self._dirt_of(address)
                if dirt is None and self.options.filter_url in address:
                    dirt = addresses.add(name, address)
                if dirt is not None:
                    listing.dirt[dirt] += 1
        return listing

    def _dirt_of(self, address: str) -> Dirt | None:
        if not address:
            return Dirt.EMPTY_URL
        if not is_web_url(address) and (self.options.root is None or "://" in address):
            return Dirt.NOT_HTTP
        return None


def _rows(options: SourceOptions) -> Iterator[tuple[str, str]]:
    """Yield class (or wnid) and address of each row."""
    if options.manifest is None:
        raise ParleyError("A source of kind 'manifest' needs the path of its table.")
    columns = [column for column in _ADDRESS_COLUMNS if column in header_of(options.manifest)]
    for label, *addresses in stream_table(options.manifest, ["class", *columns]):
        yield label.strip(), next((address.strip() for address in addresses if address.strip()), "")
