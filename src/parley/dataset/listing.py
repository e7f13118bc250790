"""What a source lists: image addresses by class with their keys, and counts of the parse issues found."""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from parley.dataset.keymap import KeyMap, key_of

KEY_DIGITS = 32
_KEY = re.compile(rf"[0-9a-f]{{{KEY_DIGITS}}}", re.ASCII)


def image_key(url: str) -> str:
    """Return the key of an image: the first 32 hexadecimal digits of the SHA-256 of its address.

    Parameters
    ----------
    url
        The URL, or the path relative to the source's root, exactly as it was listed. It is not
        normalised: two spellings of one address are two keys, and `parley.dataset.dedup.finalise` finds their equal
        bytes.
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


LONGEST_BYTES = 1 << 16
"""Longer lines are no addresses, and are not kept in memory."""
_LABEL_BYTES = 4


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


class AddressList(Collection[str]):
    """Addresses in the order they were added, stored compactly as the lines of one text."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._number = 0

    def append(self, address: bytes) -> None:
        """Add an address in UTF-8, which must not contain a line break."""
        self._text += address
        self._text += b"\n"
        self._number += 1

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[str]:
        start = 0
        for _ in range(self._number):
            end = self._text.index(b"\n", start)
            yield self._text[start:end].decode("utf-8")
            start = end + 1

    def __contains__(self, address: object) -> bool:
        return any(own == address for own in self)


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
    dirt
        Number of lines or entries by kind of issue; each counts once, under the first kind that fits.
    """

    urls: dict[str, AddressList]
    lines: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    issues: Counter[ParseIssue] = field(default_factory=Counter)


class ListingBuilder:
    """Collects addresses and keeps each once, in the class that lists it first.

    Needs about 30 bytes per address beyond its own length, as it compares addresses by their keys.

    Parameters
    ----------
    names
        The classes.
    most
        Maximal number of addresses per class; None for no limit. A full class ignores further addresses.
    """

    def __init__(self, names: Collection[str], most: int | None = None) -> None:
        self.listing = Listing({name: AddressList() for name in names})
        self._most = sys.maxsize if most is None else most
        self._labels = {name: number.to_bytes(_LABEL_BYTES) for number, name in enumerate(self.listing.urls)}
        self._owners = KeyMap(_LABEL_BYTES)
        self._ids = KeyMap(0)

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
        if not self._room(name):
            return None
        try:
            address = url.encode("utf-8")
        except UnicodeEncodeError:  # Bytes of a file name that are not UTF-8 arrive as lone surrogates.
            return ParseIssue.BAD_ADDRESS
        if len(address) > LONGEST_BYTES or any(mark in url for mark in "\t\r\n\0"):
            return ParseIssue.BAD_ADDRESS
        return next(iter(self.add_all(name, [(image_id, address)])), None)

    def add_all(self, name: str, entries: Iterable[tuple[bytes, bytes]]) -> list[ParseIssue]:
        """Keep addresses of one class, each with its id; return the issues found.

        The addresses must be UTF-8, not too long, and without tabs, line breaks and NUL.
        """
        room, label, issues = self._room(name), self._labels[name], []
        keep, owner_of = self.listing.urls[name].append, self._owners.setdefault
        for image_id, address in entries:
            if room <= 0:
                break
            owner = owner_of(key_of(address), label)
            if owner is None:
                keep(address)
                room -= 1
                if image_id and self._ids.setdefault(key_of(image_id), b"") is not None:
                    issues.append(ParseIssue.DUPLICATE_ID)
            else:
                issues.append(ParseIssue.DUPLICATE_URL if owner == label else ParseIssue.TWO_CLASSES)
        return issues

    def _room(self, name: str) -> int:
        return self._most - len(self.listing.urls[name])
