"""Listings of image sources: the image addresses of each class, their keys, and counts of parse issues."""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from parley.dataset.left_out import LeftOut

KEY_DIGITS = 32
_UNFIT = re.compile("[\t\r\n\0\ud800-\udfff]")
"""Characters that a table cannot hold. Python decodes bytes of a file name that are not UTF-8 as lone surrogates."""
_KEY = re.compile(rf"[0-9a-f]{{{KEY_DIGITS}}}", re.ASCII)
LONGEST_BYTES = 1 << 16
"""Maximum length of an address in bytes. Longer lines cannot be addresses, and are not kept in memory."""


def image_key(url: str) -> str:
    """Return the key of an image: the first 32 hexadecimal digits of the SHA-256 of its address.

    Parameters
    ----------
    url
        The URL, or the path relative to the source's root, exactly as it was listed. It is not normalised: two
        spellings of one address have two keys. `parley.dataset.dedup` then removes one of the equal images.
    """
    return hashlib.sha256(url.encode("utf-8")).hexdigest()[:KEY_DIGITS]


def is_key(text: str) -> bool:
    """Return whether a text has the form of an image key, and is therefore safe as a file name."""
    return _KEY.fullmatch(text) is not None


def storable(address: str) -> str:
    """Return an address with NULs for characters that do not fit a table; `ListingBuilder` then rejects it."""
    return _UNFIT.sub("\0", address)


def draw(seed: int, purpose: str, key: str) -> int:
    """Return a uniform pseudorandom integer in [0, 2**64) that depends only on the arguments.

    Parameters
    ----------
    seed
        The experiment's seed.
    purpose
        Text that names what the number is used for. Numbers for different uses are independent.
    key
        An image key.
    """
    text = f"{seed}/{purpose}/{key}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


class ParseIssue(StrEnum):
    """Issue with a line of a list or table, or with an entry of a folder or tar. No issue is fatal."""

    NO_TAB = "no_tab"  # the line has no tab after an id; dropped
    BAD_UTF8 = "bad_utf8"  # the address is not UTF-8; dropped
    EMPTY_URL = "empty_url"  # the address is empty; dropped
    STRAY_QUOTES = "stray_quotes"  # the line contains quotes; kept, without those around the address
    DUPLICATE_URL = "duplicate_url"  # the class already has this address; dropped
    TWO_CLASSES = "two_classes"  # another class already has this address; dropped, as an image has one label
    DUPLICATE_ID = "duplicate_id"  # another address was kept under the same id; kept, as ids are not used
    NOT_HTTP = "not_http"  # neither http, nor https, nor a path below a configured root; dropped
    BAD_ADDRESS = "bad_address"  # contains a tab, line break, NUL or invalid UTF-8, or is longer than 64 KiB; dropped


@dataclass
class Listing:
    """Image addresses that a source lists for each class.

    Attributes
    ----------
    urls
        Addresses by class name, in the order listed; an empty list for a class without addresses.
    lines
        Number of lines or entries read, including those of other classes.
    entries
        Number of lines or entries by class name, before any filter, including those with issues.
    issues
        Number of lines or entries by issue. A line or entry counts once, under the first issue found in it.
    others
        Classes that the source lists by a name or wnid that is not in the class set; empty if it is a URL list.
    skipped_files
        Number of files of the classes that are not images in a supported format, by kind of file.
    """

    urls: dict[str, list[str]]
    lines: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    issues: LeftOut = field(default_factory=LeftOut)
    others: set[str] = field(default_factory=set)
    skipped_files: LeftOut = field(default_factory=LeftOut)


class ListingBuilder:
    """Builds a `Listing` that contains each address once, in the class that lists it first.

    Parameters
    ----------
    names
        Names of the classes.
    most
        Maximum number of addresses per class; further addresses are ignored. None for no limit.
    """

    def __init__(self, names: Collection[str], most: int | None = None) -> None:
        self.listing = Listing({name: [] for name in names})
        self._most = sys.maxsize if most is None else most
        self._owners: dict[str, str] = {}
        self._ids: set[bytes] = set()

    def add(self, name: str, url: str, image_id: bytes = b"") -> ParseIssue | None:
        """Add an address unless an issue forbids it. Return the issue, if any; the caller counts it.

        Parameters
        ----------
        name
            Name of the class that lists the address.
        url
            The address.
        image_id
            ID of the image in the source; empty if the source has no ids.
        """
        urls = self.listing.urls[name]
        if len(urls) >= self._most:
            return None
        if _UNFIT.search(url) or len(url.encode()) > LONGEST_BYTES:
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
