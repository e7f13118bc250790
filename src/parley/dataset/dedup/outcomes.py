"""Outcomes of fetching and deduplication: per image, split, class and host."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from parley.core.addresses import is_web_url
from parley.dataset.fetch.outcomes import ErrorClass

LOCAL = "local"
"""The host recorded for a local path."""


class Image(NamedTuple):
    """An image that was fetched."""

    image_class: str
    part: str
    key: str
    url: str
    sha256: str


class Removal(NamedTuple):
    """An image that is removed from its split, the reason, and the image kept instead."""

    image: Image
    reason: ErrorClass
    kept: Image


@dataclass
class PartOutcome:
    """The outcome of one split of one class.

    Attributes
    ----------
    candidates
        Number of candidates in the plan.
    count
        Images the split needs.
    tried
        Number of URLs tried.
    images
        Images fetched, by rank.
    rejected
        Number of URLs that gave no image, by reason.
    removals
        Images removed in favour of others.
    kept
        Images of the final split, by rank.
    """

    candidates: int
    count: int
    tried: int = 0
    images: list[Image] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    removals: list[Removal] = field(default_factory=list)
    kept: list[Image] = field(default_factory=list)

    @property
    def is_short(self) -> bool:
        """Whether the split has fewer images than it needs."""
        return len(self.kept) < self.count

    def count_removed(self, reason: ErrorClass) -> int:
        """Return how many images were removed for a reason."""
        return sum(1 for removal in self.removals if removal.reason == reason)


@dataclass
class ClassOutcome:
    """The outcome of one class.

    Attributes
    ----------
    name, domain
        Name and domain of the class.
    parts
        Its splits, in the plan's order.
    placeholders
        Responses rejected as placeholders whose SHA-256 is known.
    dropped
        Why the class is dropped, one sentence per split; empty if it is kept.
    """

    name: str
    domain: str
    parts: dict[str, PartOutcome]
    placeholders: list[Image] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def is_short(self) -> bool:
        """Whether any split has fewer images than it needs."""
        return any(part.is_short for part in self.parts.values())

    def images(self) -> Iterator[Image]:
        """Yield its images by split and rank."""
        for part in self.parts.values():
            yield from part.images

    def drop(self, why: Sequence[str]) -> None:
        """Drop the class: it keeps no image; its other counts stay."""
        self.dropped = list(why)
        for part in self.parts.values():
            part.kept = []


@dataclass
class HostOutcome:
    """The outcome of the URLs of one host: `tried` = `ok` + rejected."""

    tried: int = 0
    ok: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def count(self, error: str) -> None:
        """Count a URL; `error` is empty if it gave an image."""
        self.tried += 1
        if error:
            self.rejected[error] += 1
        else:
            self.ok += 1

    def reject(self, error: str) -> None:
        """Count an image as rejected instead of ok."""
        self.ok -= 1
        self.rejected[error] += 1


@dataclass
class Outcomes:
    """All outcomes: classes in label order, and hosts by name."""

    classes: list[ClassOutcome]
    hosts: dict[str, HostOutcome] = field(default_factory=dict)

    @property
    def remaining(self) -> list[ClassOutcome]:
        """The classes that are not dropped."""
        return [one for one in self.classes if not one.dropped]


def host_of(address: str) -> str:
    """Return the host of an address, `local` for a path, or `malformed` if the host cannot be parsed."""
    if not is_web_url(address):
        return LOCAL
    try:
        return urlsplit(address).hostname or "malformed"
    except ValueError:
        return "malformed"
