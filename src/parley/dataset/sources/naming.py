"""From the names of local files to a listing: filtered, each once."""

from collections.abc import Iterable, Mapping

from parley.dataset.listing import Listing, ListingBuilder
from parley.dataset.sources.base import SourceOptions


def listing_of_names(names: Mapping[str, Iterable[str]], options: SourceOptions) -> Listing:
    """Make a listing of addresses by class, with the options' filter and class size applied."""
    addresses = ListingBuilder(list(names), options.class_size)
    listing = addresses.listing
    for name, entries in names.items():
        for entry in entries:
            listing.lines += 1
            listing.entries[name] += 1
            issue = addresses.add(name, entry) if options.filter_url in entry else None
            if issue is not None:
                listing.issues[issue] += 1
    return listing
