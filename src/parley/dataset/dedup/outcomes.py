"""What became of the URLs of each class and part."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from parley.core.addresses import is_web_url
from parley.dataset.fetch.outcomes import ErrorClass

LOCAL = "local"
"""What stands for a host where a local path was read."""


class Image(NamedTuple):
    """An image that was fetched."""

    image_class: str
    part: str
    key: str
    url: str
    sha256: str


class Removal(NamedTuple):
    """An image that a part may not keep, why, and the image that it gives way to."""

    image: Image
    reason: ErrorClass
    kept: Image


@dataclass
class PartOutcome:
    """What became of one part of one class.

    Attributes
    ----------
    candidates
        Length of the reserve in the plan.
    count
        Images the part needs.
    tried
        URLs tried.
    images
        Those that gave an image, by rank.
    rejected
        Those that did not, by reason.
    removals
        Images that give way to others.
    kept
        Images of the part, by rank.
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
        """Whether it has fewer images than it needs."""
        return len(self.kept) < self.count

    def count_removed(self, reason: ErrorClass) -> int:
        """Return how many images gave way for a reason."""
        return sum(1 for removal in self.removals if removal.reason == reason)


@dataclass
class ClassOutcome:
    """What became of one class.

    Attributes
    ----------
    name, domain
        Of the class.
    parts
        Its parts, in the plan's order.
    placeholders
        Answers that were rejected as a placeholder and whose bytes are known.
    dropped
        Why the class is left out, a sentence a part; empty where it is not.
    """

    name: str
    domain: str
    parts: dict[str, PartOutcome]
    placeholders: list[Image] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def is_short(self) -> bool:
        """Whether any part has fewer images than it needs."""
        return any(part.is_short for part in self.parts.values())

    def images(self) -> Iterator[Image]:
        """Yield its images by part and rank."""
        for part in self.parts.values():
            yield from part.images

    def drop(self, why: Sequence[str]) -> None:
        """Leave the class out: it keeps no image; what else was counted stays."""
        self.dropped = list(why)
        for part in self.parts.values():
            part.kept = []


@dataclass
class HostOutcome:
    """What became of the URLs of one host: `tried` = `ok` + rejected."""

    tried: int = 0
    ok: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def count(self, error: str) -> None:
        """Count a URL; `error` is empty for an image."""
        self.tried += 1
        if error:
            self.rejected[error] += 1
        else:
            self.ok += 1

    def reject(self, error: str) -> None:
        """Count an image as rejected after all."""
        self.ok -= 1
        self.rejected[error] += 1


@dataclass
class Outcomes:
    """What became of everything: classes in label order, and hosts by name."""

    classes: list[ClassOutcome]
    hosts: dict[str, HostOutcome] = field(default_factory=dict)

    @property
    def remaining(self) -> list[ClassOutcome]:
        """The classes that are not dropped."""
        return [one for one in self.classes if not one.dropped]


def host_of(address: str) -> str:
    """Return the host that an address names, `local` for a path, and `malformed` where no host can be told."""
    if not is_web_url(address):
        return LOCAL
    try:
        return urlsplit(address).hostname or "malformed"
    except ValueError:
        return "malformed"
