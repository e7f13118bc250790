"""What a source lists: image addresses by class with their keys, and counts of the parse issues found."""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

KEY_DIGITS = 32
_KEY = re.compile(rf"[0-9a-f]{{{KEY_DIGITS}}}", re.ASCII)
LONGEST_BYTES = 1 << 16
"""Longer lines are no addresses, and are not kept in memory."""


def image_key(url: str) -> str:
    """Return the key of an image: the first 32 hexadecimal digits of the SHA-256 of its address.

    Parameters
    ----------
    url
        The URL, or the path relative to the source's root, exactly as it was listed. It is not
        normalised: two spellings of one address are two keys, and `parley.dataset.dedup` finds their equal bytes.
    """
    return hashlib.sha256(url.encode("utf-8")).hexdigest()[:KEY_DIGITS]


def is_key(text: str) -> bool:
    """Say whether a text has the form of a key, and so is safe as a file name."""
    return _KEY.fullmatch(text) is not None


def draw(seed: int, purpose: str, key: str) -> int:
    """Return a number in [0, 2**64), uniform over keys, that depends only on the arguments.

    Parameters
    ----------
    seed
        The experiment's seed.
    purpose
        What the number is for; draws for two purposes are independent.
    key
        An image key.
    """
    text = f"{seed}/{purpose}/{key}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


class ParseIssue(StrEnum):
    """What can be wrong with a line of a list, or with an entry of a folder or tar; none is fatal."""

    NO_TAB = "no_tab"  # not an id, a tab and an address; dropped
    BAD_UTF8 = "bad_utf8"  # not UTF-8; dropped
    EMPTY_URL = "empty_url"  # no address behind the tab; dropped
    STRAY_QUOTES = "stray_quotes"  # kept, without the quotes around the address
    DUPLICATE_URL = "duplicate_url"  # the class has this address already; dropped
    TWO_CLASSES = "two_classes"  # an earlier line gives it to another class; dropped, an image has one label
    DUPLICATE_ID = "duplicate_id"  # under an id that another address was kept under; kept, as ids are not used
    NOT_HTTP = "not_http"  # another scheme, or a path where no local root is configured; dropped
    BAD_ADDRESS = "bad_address"  # holds a tab, a line break or NUL, a name not in UTF-8, or 64 KiB; dropped


@dataclass
class Listing:
    """Addresses by class, in the order listed.

    Attributes
    ----------
    urls
        Addresses by class, with an empty list for a class that has none.
    lines
        Number of lines or entries read, of any class.
    entries
        Number of entries by class, before any filter, including those with issues.
    issues
        Number of lines or entries by kind of issue; each counts once, under the first kind that fits.
    """

    urls: dict[str, list[str]]
    lines: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    issues: Counter[ParseIssue] = field(default_factory=Counter)


class ListingBuilder:
    """Collects addresses and keeps each once, in the class that lists it first.

    Parameters
    ----------
    names
        The classes.
    most
        Maximal number of addresses per class; None for no limit. A full class ignores further addresses.
    """

    def __init__(self, names: Collection[str], most: int | None = None) -> None:
        self.listing = Listing({name: [] for name in names})
        self._most = sys.maxsize if most is None else most
        self._owners: dict[str, str] = {}
        self._ids: set[bytes] = set()

    def add(self, name: str, url: str, image_id: bytes = b"") -> ParseIssue | None:
        """Keep an address, or return what is wrong with it; the caller counts the issue.

        Parameters
        ----------
        name
            Its class.
        url
            The address.
        image_id
            The source's own id of the image, if it has one.
        """
        urls = self.listing.urls[name]
        if len(urls) >= self._most:
            return None
        try:
            size_bytes = len(url) if url.isascii() else len(url.encode("utf-8"))
        except UnicodeEncodeError:  # Bytes of a file name that are not UTF-8 arrive as lone surrogates.
            return ParseIssue.BAD_ADDRESS
        if size_bytes > LONGEST_BYTES or any(mark in url for mark in "\t\r\n\0"):
            return ParseIssue.BAD_ADDRESS
        if url in self._owners:
            return ParseIssue.DUPLICATE_URL if self._owners[url] == name else ParseIssue.TWO_CLASSES
        self._owners[url] = name
        urls.append(url)
        if image_id in self._ids:
            return ParseIssue.DUPLICATE_ID
        if image_id:
            self._ids.add(image_id)
        return None
