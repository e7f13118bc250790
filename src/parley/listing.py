"""What a source of images lists: addresses by class, each once, and the dirt met on the way."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum


class Dirt(StrEnum):
    """What can be wrong with a line of a list, or with an entry of a folder or tar. None of it is fatal."""

    NO_TAB = "no_tab"  # not an id, a tab and an address; dropped
    BAD_UTF8 = "bad_utf8"  # not UTF-8; dropped
    EMPTY_URL = "empty_url"  # no address behind the tab; dropped
    STRAY_QUOTES = "stray_quotes"  # kept, without the quotes around the address
    DUPLICATE_URL = "duplicate_url"  # the class has this address already; dropped
    TWO_CLASSES = "two_classes"  # an earlier line gives it to another class; dropped, an image has one label
    DUPLICATE_ID = "duplicate_id"  # another address under an id seen before; kept, as ids are not used
    NOT_HTTP = "not_http"  # another scheme, or a path where no local root is configured; dropped
    BAD_ADDRESS = "bad_address"  # holds a tab, a line break or NUL, or is a file name not in UTF-8; dropped


@dataclass
class Listing:
    """Addresses by class, in the order listed.

    Attributes
    ----------
    urls
        Addresses by class, with an empty list for a class that has none.
    lines
        Lines or entries read, of whatever class.
    entries
        Entries by class, before any filter, and with those that are dirt.
    dirt
        Lines or entries by kind of dirt; each counts once, under the first kind that fits.
    """

    urls: dict[str, list[str]]
    lines: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    dirt: Counter[Dirt] = field(default_factory=Counter)


class Addresses:
    """Takes addresses one by one and keeps each once, in the class that lists it first.

    Parameters
    ----------
    names
        The classes.
    most
        Addresses to keep a class; None for all. A full class passes over what follows.
    """

    def __init__(self, names: Collection[str], most: int | None = None) -> None:
        self.listing = Listing({name: [] for name in names})
        self._most = most
        self._owner: dict[str, str] = {}

    def add(self, name: str, url: str) -> Dirt | None:
        """Keep an address, or say what keeps it from being kept; counting is the caller's."""
        urls = self.listing.urls[name]
        if self._most is not None and len(urls) >= self._most:
            return None
        if not _fits_a_table(url):
            return Dirt.BAD_ADDRESS
        owner = self._owner.get(url)
        if owner is not None:
            return Dirt.DUPLICATE_URL if owner == name else Dirt.TWO_CLASSES
        self._owner[url] = name
        urls.append(url)
        return None


def _fits_a_table(address: str) -> bool:
    if any(mark in address for mark in "\t\r\n\0"):
        return False
    try:
        address.encode("utf-8")
    except UnicodeEncodeError:  # Bytes of a file name that are not UTF-8 arrive as lone surrogates.
        return False
    return True
