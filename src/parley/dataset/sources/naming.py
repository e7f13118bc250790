"""From the names of local files to a listing: filtered, each once."""

from collections.abc import Iterable, Mapping

from parley.dataset.listing import Addresses, Listing
from parley.dataset.sources.base import SourceOptions


def gather(names: Mapping[str, Iterable[str]], options: SourceOptions) -> Listing:
    """Make a listing of addresses by class, with the options' filter and class size applied."""
    addresses = Addresses(list(names), options.class_size)
    listing = addresses.listing
    for name, entries in names.items():
        for entry in entries:
            listing.lines += 1
            listing.entries[name] += 1
            dirt = addresses.add(name, entry) if options.filter_url in entry else None
            if dirt is not None:
                listing.dirt[dirt] += 1
    return listing
