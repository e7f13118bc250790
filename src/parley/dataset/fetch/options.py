"""The settings of the fetch stage."""

from dataclasses import dataclass, fields
from typing import Any

from parley.core.errors import Findings

VERIFY = ("decode", "header")
REFUSABLE = ("animated", "cmyk", "sixteen_bit", "transparent", "rotated")
"""Kinds of image that are unusual and not broken; each is refused or taken, as the config says."""


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How to ask, how long to wait, and what counts as an image.

    Attributes
    ----------
    threads
        Requests under way at once.
    per_host
        Requests under way at once at one host.
    attempts
        Most requests for one URL, where failures may pass (see `outcomes.RETRIED`).
    connect_timeout_s
        Longest wait for a connection, in seconds.
    read_timeout_s
        Longest silence of a server.
    deadline_s
        Longest time for one request as a whole: redirects, headers and body. (Looking up a name is
        the operating system's, and the one thing this cannot cut short.)
    backoff_s
        Wait before the second attempt; doubled for each further one, times a random 0.5 to 1.5.
    longest_wait_s
        A server that asks for a longer wait (Retry-After) is left for a later run.
    max_redirects
        Most redirects of one request.
    max_bytes
        Bodies larger than this are given up.
    contact
        Goes into the User-Agent, so that a server's owner can write to whoever runs this.
    retry_failed
        Ask again about transient failures of earlier runs; False takes their word.
    verify
        `decode` decodes every image; `header` trusts what the image's header says.
    min_side
        Images with a shorter side, in pixels, are refused.
    max_pixels
        Images with more pixels are refused before they are decoded.
    refuse
        Kinds of image, of `REFUSABLE`, that are not taken.
    placeholder_sha256
        Bytes known to stand in for photos taken down, besides those known by shape.
    placeholder_repeats
        Bytes that come under more URLs of a class than this stand in for something taken down.
    allow_private_hosts
        Ask hosts at loopback, private, link-local and other addresses that are not public.
    obey_robots_tag
        Leave images whose response says `noai` or `noimageai` (X-Robots-Tag).
    excluded
        URLs, image keys and SHA-256 of bytes that are not to be used, as `parley.dataset.fetch.exclusions` reads them.
    """

    threads: int = 32
    per_host: int = 8
    attempts: int = 3
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 20.0
    deadline_s: float = 60.0
    backoff_s: float = 1.0
    longest_wait_s: float = 60.0
    max_redirects: int = 5
    max_bytes: int = 20_000_000
    contact: str = ""
    retry_failed: bool = True
    verify: str = "decode"
    min_side: int = 32
    max_pixels: int = 50_000_000
    refuse: tuple[str, ...] = ("animated",)
    placeholder_sha256: tuple[str, ...] = ()
    placeholder_repeats: int = 5
    allow_private_hosts: bool = False
    obey_robots_tag: bool = True
    excluded: frozenset[str] = frozenset()

    def check(self) -> list[str]:
        """Return what is amiss with the values, a sentence each."""
        findings = Findings()
        for field in fields(self):
            value: Any = getattr(self, field.name)
            least = 0 if field.name in ("backoff_s", "longest_wait_s", "max_redirects") else 1e-9
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value < least:
                findings.add(f"fetch.{field.name} is {value}; it must be {'at least' if not least else 'above'} 0.")
        if self.verify not in VERIFY:
            findings.add(f"fetch.verify is {self.verify!r}; it must be one of {', '.join(VERIFY)}.")
        if not (self.contact.isascii() and self.contact.isprintable()):
            findings.add(
                f"fetch.contact is {self.contact!r}; it goes into a header of HTTP, which takes ASCII letters, digits "
                "and signs. Name an address of mail or of a page."
            )
        for kind in self.refuse:
            if kind not in REFUSABLE:
                findings.add(f"fetch.refuse names {kind!r}; it must be one of {', '.join(REFUSABLE)}.")
        return findings.sentences
